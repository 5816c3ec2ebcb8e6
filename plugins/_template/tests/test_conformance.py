"""The template keeps to what the pipeline relies on."""

import numpy as np
import pytest

from vedette import TensorInfo
from vedette.testing.conformance import PostprocessConformance, PreprocessConformance, StageConformance
from vedette_template import plugin


class TestStandardize(PreprocessConformance):
    @pytest.fixture
    def spec(self):
        return plugin.vedette_preprocessors()[0]

    @pytest.fixture
    def params(self):
        return {"size_wh": [32, 24]}

    @pytest.fixture
    def tensor(self):
        return TensorInfo(name="x", dtype="float32", shape=(1, 3, 24, 32))


class TestPeaks(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return plugin.vedette_postprocessors()[0]

    @pytest.fixture
    def outputs(self):
        return {"heat": np.random.default_rng(0).random((2, 5, 12, 16), np.float32)}


class TestCrowd(StageConformance):
    @pytest.fixture
    def spec(self):
        return plugin.vedette_stages()[0]

    @pytest.fixture
    def params(self):
        return {"limit": 1, "hold": 2}
