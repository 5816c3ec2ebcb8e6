"""OpenVINO keeps to what the pipeline relies on."""

import numpy as np
import pytest

from vedette.specs import ModelFiles
from vedette.testing.conformance import BackendCase, BackendConformance
from vedette_openvino.plugin import BACKEND
from vedette_openvino.runtime import ov

ops = ov.opset13


def case_of(path, feeds, expected=None):
    files = ModelFiles(format="openvino", paths=(path, path.with_suffix(".bin")))
    return BackendCase(files=files, feeds=feeds, expected=expected or {})


class TestOpenVINO(BackendConformance):
    @pytest.fixture
    def spec(self):
        return BACKEND

    @pytest.fixture
    def case(self, save):
        """A convolution over a picture."""
        rng = np.random.default_rng(0)
        image = ops.parameter([1, 3, 5, 7], np.float32, name="image")
        kernel = ops.constant(rng.normal(size=(4, 3, 3, 3)).astype(np.float32))
        y = ops.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
        path = save([image], {"y": y}, "convolution")
        return case_of(path, {"image": rng.normal(size=(1, 3, 5, 7)).astype(np.float32)})

    @pytest.fixture
    def batch_case(self, double_rows):
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        return case_of(double_rows, {"x": x}, {"y": 2 * x})

    @pytest.fixture
    def other_case(self, save):
        """Tokens to rows of a table."""
        table = np.arange(20, dtype=np.float32).reshape(10, 2)
        tokens = ops.parameter([1, 4], np.int64, name="tokens")
        path = save([tokens], {"y": ops.gather(ops.constant(table), tokens, 0)}, "lookup")
        given = np.array([[3, 1, 4, 1]])
        return case_of(path, {"tokens": given}, {"y": table[given]})


class TestFreeShapes(TestOpenVINO):
    """The slots of a graph whose shapes are settled at the lease, and two inputs."""

    @pytest.fixture
    def case(self, adder):
        a, b = np.ones((1, 3), np.float32), np.array([[1, 2, 3]], np.float32)
        return case_of(adder, {"a": a, "b": b}, {"sum": a + b})
