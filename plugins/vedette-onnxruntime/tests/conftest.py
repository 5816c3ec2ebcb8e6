"""Opens models in ONNX Runtime; closes them after the test."""

import sys
from pathlib import Path

import onnx
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for ``graphs``, which lies beside the tests

from vedette.specs import Execution, ModelFiles
from vedette_onnxruntime.plugin import BACKEND


@pytest.fixture
def save(tmp_path):
    """Writes a model, or bytes, into a file."""

    def write(model, name="model.onnx"):
        path = tmp_path / name
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        if not isinstance(model, bytes):
            onnx.checker.check_model(model)
        return path

    return write


@pytest.fixture
def open_file():
    """Opens a file; keyword arguments are those of ``Execution``."""
    opened = []

    def load(path, device="cpu", options=None, **execution):
        files = ModelFiles(format="onnx", paths=(path,))
        session = BACKEND.open(files, device, Execution(**execution), options or {})
        opened.append(session)
        return session

    yield load
    for session in opened:
        session.close()


@pytest.fixture
def open_graph(save, open_file):
    """Opens a model made by ``graphs``."""
    return lambda model, **more: open_file(save(model), **more)
