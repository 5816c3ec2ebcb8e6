"""What the core itself registers keeps to what it asks of others; so do the fakes."""

import msgspec
import numpy as np
import pytest

from vedette.errors import BackendError, SourceError
from vedette.frame import Packed
from vedette.secrets import redacted
from vedette.sinks.jsonl import JSONL, read_jsonl
from vedette.sinks.stdout import STDOUT
from vedette.specs import ModelFiles, SourceSpec, TensorInfo
from vedette.testing.conformance import (
    BackendCase,
    BackendConformance,
    PreprocessConformance,
    SinkConformance,
    SourceConformance,
)
from vedette.testing.fakes import FakeSource
from vedette.testing.session import FunctionSession, function_backend
from vedette.vision.preprocess import IMAGE

NORMALISED = {"mean": [1, 2, 3], "scale": [50, 60, 70]}


class TestImage(PreprocessConformance):
    @pytest.fixture
    def spec(self):
        return IMAGE

    @pytest.fixture(
        params=[
            {"resize": "letterbox", "pad": [1, 2, 3], **NORMALISED},
            {"resize": "letterbox", "anchor": "top_left", "kernel": "nearest", "dtype": "uint8"},
            {"resize": "stretch", "kernel": "area", "layout": "nhwc", **NORMALISED},
            {"resize": "crop", "crop_fraction": 0.875, "kernel": "bilinear_antialias", "colour": "gray"},
        ],
        ids=lambda params: params["resize"],
    )
    def params(self, request):
        return {"size_wh": [48, 40], **request.param}

    @pytest.fixture
    def tensor(self, spec, params):
        given = msgspec.convert(params, spec.params)
        return TensorInfo(name="images", dtype=given.dtype, shape=(None, *given.row_shape))

    @pytest.fixture
    def layout(self, params):
        return params.get("layout", "nchw")


class TestJsonl(SinkConformance):
    @pytest.fixture
    def spec(self):
        return JSONL

    @pytest.fixture(params=["all.jsonl", "{stream}.jsonl"])
    def params(self, request, folder):
        return {"path": str(folder / request.param)}

    @pytest.fixture
    def check_file(self):
        def check(path):
            content = path.read_bytes()
            assert not content or content.endswith(b"\n")
            list(read_jsonl(path))

        return check


class TestStdout(SinkConformance):
    @pytest.fixture
    def spec(self):
        return STDOUT

    @pytest.fixture(params=["text", "json"])
    def params(self, request):
        return {"format": request.param}


def tensor(name, *shape):
    return TensorInfo(name=name, dtype="float32", shape=shape)


def load(files, device, execution):
    if not files.model.name.startswith("double"):
        raise BackendError(f"{files.model}: not a model")
    if execution.precision != "f32":
        raise BackendError(f"cannot compute in {execution.precision}")
    first = None if files.model.name == "double_rows" else 1
    return FunctionSession(
        lambda inputs: {"y": inputs["x"] * 2},
        {"x": tensor("x", first, 2, 3)},
        {"y": tensor("y", first, 2, 3)},
        slots=execution.slots or 2,
        max_batch=execution.batch,
    )


class TestFunctionBackend(BackendConformance):
    @pytest.fixture
    def spec(self):
        return function_backend("function", load)

    def make(self, tmp_path, name, rows):
        (tmp_path / name).touch()
        x = np.arange(rows * 6, dtype=np.float32).reshape(rows, 2, 3)
        files = ModelFiles(format="onnx", paths=(tmp_path / name,))
        return BackendCase(files=files, feeds={"x": x}, expected={"y": x * 2})

    @pytest.fixture
    def case(self, tmp_path):
        return self.make(tmp_path, "double", 1)

    @pytest.fixture
    def other_case(self, case):
        return case

    @pytest.fixture
    def batch_case(self, tmp_path):
        return self.make(tmp_path, "double_rows", 3)


def open_fake(uri, params):
    if not uri.endswith("3"):
        raise SourceError(f"{redacted(uri)}: there is no such list")
    return FakeSource([Packed("gray8", np.full((4, 6), value, np.uint8)) for value in range(3)])


class TestFakeSource(SourceConformance):
    @pytest.fixture
    def spec(self):
        return SourceSpec(
            name="fake", summary="A list.", matches=lambda uri: int(uri.startswith("fake://")), open=open_fake
        )

    @pytest.fixture
    def uri(self):
        return "fake://3"

    @pytest.fixture
    def bad_uri(self):
        return "fake://4"
