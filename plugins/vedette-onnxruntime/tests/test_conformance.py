"""ONNX Runtime keeps to what the pipeline relies on."""

import graphs
import numpy as np
import pytest

from vedette.specs import ModelFiles
from vedette.testing.conformance import BackendCase, BackendConformance
from vedette_onnxruntime.plugin import BACKEND


class TestOnnxRuntime(BackendConformance):
    @pytest.fixture
    def spec(self):
        return BACKEND

    @pytest.fixture
    def make(self, save):
        def make(model, feeds, expected=None):
            files = ModelFiles(
                format="onnx", paths=(save(model, f"model{len(feeds)}{model.ByteSize()}.onnx"),)
            )
            return BackendCase(files=files, feeds=feeds, expected=expected or {})

        return make

    @pytest.fixture
    def case(self, make):
        image = np.random.default_rng(0).normal(size=(1, 3, 5, 7)).astype(np.float32)
        return make(graphs.convolution(), {"image": image})

    @pytest.fixture
    def batch_case(self, make):
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        return make(graphs.double(shape=("n", 4)), {"x": x}, {"y": 2 * x})

    @pytest.fixture
    def other_case(self, make):
        """A recurrent step, with its state."""
        rng = np.random.default_rng(1)
        x, h = rng.normal(size=(1, 6, 3)), rng.normal(size=(1, 5))
        return make(graphs.gru(steps=6), {"x": x.astype(np.float32), "h": h.astype(np.float32)})


class TestFreeShapes(TestOnnxRuntime):
    """The slots of a graph whose shapes are all settled at the lease, and two inputs of different types."""

    @pytest.fixture
    def case(self, make):
        a = np.array([[1, 2, 3]], np.float32)
        b = np.array([[3, 2, 1]], np.int64)
        return make(graphs.several(), {"a": a, "b": b}, {"sum": a + b.astype(np.float32), "larger": a > b})
