"""Networks that are known to look at one corner, made here; and what is packed of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vedette.bundle.pack import PackRequest, pack_model
from vedette.model.loading import Replace
from vedette.model.single import Model
from vedette.registry import load_plugins

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install onnx")

SIDE, CORNER = 32, 8
CHANNELS, CLASSES = 6, 4


def corner_network(seed: int = 0, corner: int = CORNER, features: bool = False) -> tuple[bytes, np.ndarray]:
    """``image (n, 3, 32, 32)`` to ``logits (n, 4)``: all but the lower right corner is multiplied by 0, then come a
    convolution, ReLU, the mean over all places and a linear layer, whose weights ``(4, 6)`` are returned, too.
    ``features``: what is averaged is a second output."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    mask = np.zeros((1, 1, SIDE, SIDE), np.float32)
    mask[..., SIDE - corner :, SIDE - corner :] = 1
    weights = rng.normal(0, 3, (CLASSES, CHANNELS)).astype(np.float32)
    constants = {
        "mask": mask,
        "kernel": rng.normal(0, 0.5, (CHANNELS, 3, 3, 3)).astype(np.float32),
        "weights": weights,
        "bias": rng.normal(0, 0.1, CLASSES).astype(np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["image", "mask"], ["corner"]),
        helper.make_node("Conv", ["corner", "kernel"], ["conv"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["conv"], ["features"], name="relu"),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"], transB=1, name="head"),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])]
    if features:
        shape = ["n", CHANNELS, SIDE, SIDE]
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        nodes,
        "corner",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString(), weights


@pytest.fixture(scope="session")
def network():
    return corner_network


@pytest.fixture(scope="session")
def registry():
    return load_plugins()


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def pack(tmp_path_factory, registry) -> Callable[..., Path]:
    """Pack such a network as a classifier."""
    folder = tmp_path_factory.mktemp("corner")

    def make(content: bytes, name: str = "corner") -> Path:
        model = folder / f"{name}.onnx"
        model.write_bytes(content)
        request = PackRequest(
            model=model,
            task="classification",
            decoder="classification",
            params={"activation": "softmax", "output": "logits"},
            licence="Apache-2.0",
            labels=["a", "b", "c", "d"],
            image={"resize": "stretch", "kernel": "nearest", "colour": "rgb", "mean": [128], "scale": [64]},
            name=name,
        )
        return pack_model(request, folder / f"{name}.vedette", registry=registry, overwrite=True)

    return make


@pytest.fixture
def open_model(registry):
    """Open a bundle for the time of a test, four rows at once."""
    opened = []

    def make(path: Path, backend: str, **wanted) -> Model:
        opened.append(
            Model(
                path,
                registry=registry,
                backend=backend,
                threads=1,
                parts=Replace(batch=4),
                proof="off",
                **wanted,
            )
        )
        return opened[-1]

    yield make
    for model in opened:
        model.close()


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """A picture ``(64, 96, 3)``, not square, of blocks of noise."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (16, 24, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
