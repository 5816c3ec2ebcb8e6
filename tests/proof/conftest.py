"""Bundles to prove: the parity trap, a small float network, and a home of its own for each test."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Manifest
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.write import write_bundle
from vedette.decoding import image_decoder
from vedette.manager import PluginManager
from vedette.model.candidates import Wanted
from vedette.model.loading import LoadedModel, Replace, load_model
from vedette.model.pool import SessionPool
from vedette.registry import Registry, Table, load_plugins

AS_PACKED = Replace()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_plugins()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home: nothing is remembered in it."""
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def trap(data, registry, tmp_path_factory) -> Path:
    """A quantised network with an LSTM, whose numbers OpenVINO gets wrong where the batch is free."""
    request = PackRequest(
        model=data / "models" / "qdq_cnn_lstm_parity_trap.onnx",
        name="trap",
        task="classification",
        decoder="classification",
        params={"activation": "softmax"},
        licence="Apache-2.0",
        storage="int8",
        oracle="literal",
        image={"resize": "stretch", "kernel": "bilinear", "mean": [0], "scale": [255]},
    )
    return pack_model(request, tmp_path_factory.mktemp("trap") / "trap.vedette", registry=registry)


def small_network(path: Path) -> Path:
    """Convolution, ReLU, mean, three classes; the batch is free."""
    draw = np.random.default_rng(3)
    weights = {
        "kernel": draw.normal(scale=0.4, size=(8, 3, 3, 3)),
        "head": draw.normal(scale=2, size=(8, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["edges"]),
        helper.make_node("Relu", ["edges"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("MatMul", ["features", "head"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ("n", 3, 24, 32))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("n", 3))],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


@pytest.fixture(scope="session")
def small_request(tmp_path_factory) -> PackRequest:
    return PackRequest(
        model=small_network(tmp_path_factory.mktemp("network") / "small.onnx"),
        task="classification",
        decoder="classification",
        params={"activation": "softmax"},
        licence="MIT",
        image={"colour": "rgb", "resize": "stretch", "kernel": "bilinear", "mean": [127.5], "scale": [58]},
    )


@pytest.fixture(scope="session")
def small(small_request, registry, tmp_path_factory) -> Path:
    return pack_model(small_request, tmp_path_factory.mktemp("small") / "small.vedette", registry=registry)


@pytest.fixture
def rewritten(tmp_path) -> Callable[..., Path]:
    """``rewritten(path, variants=..., edit=...)``: the bundle with other fields or files."""

    def rewrite(path: Path, files: dict[str, bytes] | None = None, **fields) -> Path:
        with open_bundle(path) as bundle:
            contents = {name: bundle.read(name) for name in bundle.manifest.files} | (files or {})
            manifest: Manifest = msgspec.structs.replace(bundle.manifest, **fields)
        return write_bundle(tmp_path / "rewritten.vedette", manifest, contents, overwrite=True)

    return rewrite


@pytest.fixture
def with_backend(registry) -> Callable[..., Registry]:
    """``with_backend("openvino", rank=9)``: all plugins, one backend changed, still of the same distribution."""

    def change(name: str, **changes) -> Registry:
        changed = Registry.__new__(Registry)
        vars(changed).update(vars(registry))
        spec = replace(registry.backends[name], **changes)
        table = changed.backends = Table("backends", type(spec), PluginManager(env={}))
        for other in registry.backends.values():
            table.add(spec if other.name == name else other, other.name)
        changed._provided = {**registry._provided, id(spec): registry._provided[id(registry.backends[name])]}
        return changed

    return change


@pytest.fixture
def load(registry, home):
    """``load(path, backend="openvino", batch=2, proof="warn", ...)``: a loaded model, closed after the test."""
    opened = []

    def run(path: Path, parts: Replace = AS_PACKED, plugins: Registry = registry, **wanted) -> LoadedModel:
        bundle = open_bundle(path)
        opened.append(bundle)
        batch = wanted.pop("batch", 1)
        model = load_model(
            bundle, plugins, SessionPool(2), image_decoder(plugins),
            wanted=Wanted(**wanted), replace=replace(parts, batch=batch),
        )  # fmt: skip
        opened.append(model)
        return model

    yield run
    for item in reversed(opened):
        item.close()
