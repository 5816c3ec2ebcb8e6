"""Tiny models, made here with OpenVINO's own operators, and sessions that are closed when a test ends."""

from pathlib import Path

import numpy as np
import pytest

from vedette.specs import Execution, ModelFiles
from vedette_openvino.plugin import BACKEND
from vedette_openvino.runtime import ov

ops = ov.opset13
FORMATS = {".onnx": "onnx", ".xml": "openvino", ".tflite": "tflite"}


def files_of(path: Path) -> ModelFiles:
    pair = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    return ModelFiles(format=FORMATS[path.suffix], paths=pair)


@pytest.fixture
def load():
    """``load(path, device="cpu", options={}, **execution)``: an open session."""
    sessions = []

    def load(path, device="cpu", options=None, **execution):
        sessions.append(BACKEND.open(files_of(Path(path)), device, Execution(**execution), options or {}))
        return sessions[-1]

    yield load
    for session in sessions:
        session.close()


@pytest.fixture
def save(tmp_path):
    """``save(inputs, outputs)``: the path of an IR with these parameters, and these nodes as outputs by name."""

    def save(inputs, outputs, name="model"):
        for output_name, node in outputs.items():
            node.output(0).set_names({output_name})
        path = tmp_path / f"{name}.xml"
        ov.save_model(ov.Model(list(outputs.values()), inputs), path, compress_to_fp16=False)
        return path

    return save


@pytest.fixture
def double(save):
    """``x float32 (1, 4)`` to ``y = 2 x``."""
    x = ops.parameter([1, 4], np.float32, name="x")
    return save([x], {"y": ops.multiply(x, np.float32(2))}, "double")


@pytest.fixture
def double_rows(save):
    """``x float32 (?, 4)`` to ``y = 2 x``."""
    x = ops.parameter([-1, 4], np.float32, name="x")
    return save([x], {"y": ops.multiply(x, np.float32(2))}, "double_rows")


@pytest.fixture
def adder(save):
    """``a, b float32 (?, 3)`` to ``sum``; fails while it runs if they have different numbers of rows."""
    a, b = (ops.parameter([-1, 3], np.float32, name=name) for name in "ab")
    return save([a, b], {"sum": ops.add(a, b, auto_broadcast="none")}, "adder")
