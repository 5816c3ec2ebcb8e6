"""A small bundle whose files need not be models, for everything that does not run one; and small real models."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.manifest import (
    Decoder,
    Golden,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    StateFeed,
    StatePair,
    TensorFeed,
    Variant,
)
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError
from vedette.registry import Registry, load_plugins

CONTENTS = {
    "variants/f32/cnn.onnx": b"network one" * 1000,
    "variants/f32/step.xml": b"<net/>",
    "variants/f32/step.bin": bytes(range(256)) * 20,
    "labels.txt": "car\nperson\nbücher bus\n".encode(),
    "goldens/0.jpg": b"\xff\xd8\xff picture",
    "goldens/0.npz": b"arrays",
    "card.md": b"",
}
"""One empty file among them, and a model of two files."""


@pytest.fixture
def manifest() -> Manifest:
    """Two graphs: an image network whose output feeds a recurrent step."""
    image = {"size_wh": [32, 24], "resize": "stretch", "scale": [255.0, 255.0, 255.0]}
    return Manifest(
        schema=1,
        name="two-graphs",
        version="1.2.0",
        task="clip",
        licence="Apache-2.0",
        graphs={
            "cnn": Graph(
                inputs={
                    "pixels": Input(
                        dtype="float32",
                        shape=(None, 3, 24, 32),
                        feed=PreprocessFeed(name="image", params=image),
                    )
                },
                outputs={"features": Output(dtype="float32", shape=(None, 16))},
            ),
            "step": Graph(
                inputs={
                    "x": Input(
                        dtype="float32", shape=(None, 16), feed=TensorFeed(graph="cnn", output="features")
                    ),
                    "h.in": Input(dtype="float32", shape=(None, 8), feed=StateFeed()),
                },
                outputs={
                    "scores": Output(dtype="float32", shape=(None, 3)),
                    "h.out": Output(dtype="float32", shape=(None, 8)),
                },
                state=(StatePair(input="h.in", output="h.out"),),
            ),
        },
        program=(Run(run="cnn"), Run(run="step")),
        decoder=Decoder(name="classification", params={"top_k": 1}),
        variants={
            "f32": Variant(
                graphs={
                    "cnn": GraphFiles(format="onnx", files=("variants/f32/cnn.onnx",)),
                    "step": GraphFiles(
                        format="openvino", files=("variants/f32/step.xml", "variants/f32/step.bin")
                    ),
                }
            )
        },
        files={},
        labels="labels.txt",
        grades=(
            Grade(variant="f32", precision="f32", metric="top1", value=0.9, n=100, interval=(0.85, 0.94)),
        ),
        goldens=(Golden(image="goldens/0.jpg", tensors="goldens/0.npz"),),
    )


@dataclasses.dataclass(frozen=True)
class Written:
    """A bundle on disk, to be opened, damaged and opened again."""

    path: Path

    def edit(self, change: Callable[[dict], object]) -> None:
        """Change the manifest of the folder form as plain JSON."""
        target = self.path / "manifest.json"
        tree = msgspec.json.decode(target.read_bytes())
        change(tree)
        target.write_bytes(msgspec.json.encode(tree))


@pytest.fixture
def folder(tmp_path, manifest) -> Written:
    return Written(write_bundle(tmp_path / "bundle", manifest, CONTENTS))


@pytest.fixture
def archive(tmp_path, manifest) -> Written:
    return Written(write_bundle(tmp_path / "bundle.vedette", manifest, CONTENTS))


@pytest.fixture
def refused(tmp_path, monkeypatch) -> Callable[..., None]:
    """``refused(path, reason)``: opening gives one clear error with ``reason`` in it, and writes nothing anywhere."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def check(path: Path, reason: str, use: Callable[[Bundle], object] = Bundle.check_files) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(BundleError, match=reason) as caught, open_bundle(path) as bundle:
            use(bundle)
        message = str(caught.value)
        assert str(path) in message
        assert len(message) < 1500
        assert message.replace("\n  -> ", "").replace("\0", "").isprintable()
        assert sorted(tmp_path.rglob("*")) == before

    return check


@pytest.fixture
def contents() -> dict[str, bytes]:
    return dict(CONTENTS)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_plugins()


@pytest.fixture
def network(tmp_path) -> Callable[..., Path]:
    """Write a network. ``inputs`` and ``outputs``: ``(dtype, shape)`` by name; text is a free dimension."""

    def save(
        nodes: list, inputs: dict, outputs: dict, weights: dict, name: str = "tiny.onnx", **options
    ) -> Path:
        def tensors(infos):
            return [
                helper.make_tensor_value_info(name, getattr(TensorProto, dtype), shape)
                for name, (dtype, shape) in infos.items()
            ]

        initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
        graph = helper.make_graph(nodes, "tiny", tensors(inputs), tensors(outputs), initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        onnx.checker.check_model(model)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        onnx.save(model, tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def classifier(network) -> Callable[..., Path]:
    """A classifier of three classes by the mean of each channel."""

    def build(shape=(1, 3, 24, 32), dtype="FLOAT", channels=3, nhwc=False, **options) -> Path:
        nodes = [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node(
                "Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2] if nhwc else [0, 1, 2, 3]
            ),
            helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
            helper.make_node("Flatten", ["means"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"]),
        ]
        weights = {"weights": np.random.default_rng(0).normal(size=(channels, 3)).astype(np.float32)}
        outputs = {"scores": ("FLOAT", (shape[0], 3))}
        return network(nodes, {"pixels": (dtype, shape)}, outputs, weights, **options)

    return build
