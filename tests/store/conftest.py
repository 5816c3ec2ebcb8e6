"""Two versions of a small model that runs, and a store of its own for every test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vedette.bundle.keys import SecretKey, new_key, read_secret_key
from vedette.bundle.manifest import (
    Decoder,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    Variant,
)
from vedette.bundle.store import ModelStore
from vedette.bundle.write import write_bundle
from vedette.model.single import Model
from vedette.registry import Registry, load_plugins

IMAGE = {"size_wh": [4, 2], "resize": "stretch", "colour": "bgr", "scale": [255.0, 255.0, 255.0]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def store() -> ModelStore:
    return ModelStore()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_plugins()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Callable[..., Path]:
    """``bundle("1.0.0", answer=0)``: a classifier that gives class ``answer`` for every picture."""
    folder = tmp_path_factory.mktemp("bundles")

    def make(version: str, answer: int = 0, name: str = "tiny", suffix: str = ".vedette") -> Path:
        path = folder / f"{name}-{version}-{answer}{suffix}"
        return path if path.exists() else write_bundle(path, _manifest(name, version), _contents(answer))

    return make


def _manifest(name: str, version: str) -> Manifest:
    feed = PreprocessFeed(name="image", params=IMAGE)
    return Manifest(
        schema=1,
        name=name,
        version=version,
        task="classification",
        licence="Apache-2.0",
        graphs={
            "model": Graph(
                inputs={"pixels": Input(dtype="float32", shape=(1, 3, 2, 4), feed=feed)},
                outputs={"scores": Output(dtype="float32", shape=(1, 3))},
            )
        },
        program=(Run(run="model"),),
        decoder=Decoder(name="classification", params={"activation": "softmax"}),
        variants={
            "f32": Variant(graphs={"model": GraphFiles(format="onnx", files=("variants/f32/model.onnx",))})
        },
        grades=(Grade(variant="f32", precision="f32", metric="reference", value=1.0, n=0),),
        files={},
        labels="labels.txt",
    )


def _contents(answer: int) -> dict[str, bytes]:
    bias = np.zeros((1, 3), np.float32)
    bias[0, answer] = 9
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Add", ["features", "bias"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, (1, 3, 2, 4))]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 3))]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [numpy_helper.from_array(bias, "bias")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return {
        "variants/f32/model.onnx": model.SerializeToString(),
        "labels.txt": b"car\nbus\nman\n",
        "weights.bin": bytes(300_000),
        "card.md": b"# Tiny\n",
    }


@pytest.fixture(scope="session")
def answer_of(registry) -> Callable[[str | Path], int]:
    """Run a model and give its answer."""

    def run(model: str | Path) -> int:
        with Model(model, registry=registry, backend="onnxruntime", threads=1) as opened:
            return int(opened(np.zeros((2, 4, 3), np.uint8)).class_id[0, 0])

    return run


@pytest.fixture
def key(tmp_path) -> SecretKey:
    return read_secret_key(new_key("acme", tmp_path)[0])


onnx.checker.check_model(onnx.load_from_string(_contents(0)["variants/f32/model.onnx"]))
