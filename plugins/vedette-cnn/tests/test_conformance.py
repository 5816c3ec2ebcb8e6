"""Every decoder keeps to what the pipeline relies on."""

import encoded
import numpy as np
import pytest
from encoded import Box

from vedette.testing.conformance import PostprocessConformance
from vedette_cnn.decoders import classification, fastestdet, ssd, ultraface, yolox, yunet

INPUT_WH = (320, 160)
ROWS = [[Box((20, 30, 60, 80), 0.8), Box((200, 30, 290, 101), 0.95)], [Box((100, 20, 130, 70), 0.7)]]


class Detector(PostprocessConformance):
    @pytest.fixture
    def params(self):
        return {"input_wh": INPUT_WH}

    @pytest.fixture
    def labels(self):
        return ("cat", "dog", "owl")


class TestYolox(Detector):
    @pytest.fixture
    def spec(self):
        return yolox.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded.yolox(ROWS, INPUT_WH)


class TestFastestDet(Detector):
    @pytest.fixture
    def spec(self):
        return fastestdet.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded.fastestdet(ROWS, INPUT_WH)


class TestSsd(Detector):
    """Its output is one list over all rows of the batch."""

    @pytest.fixture
    def spec(self):
        return ssd.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded.ssd(ROWS, INPUT_WH)

    @pytest.fixture
    def rows(self):
        return len(ROWS)

    @pytest.fixture
    def no_rows(self):
        return encoded.ssd([], INPUT_WH)

    def one_row(self, outputs, row):
        return encoded.ssd([ROWS[row]], INPUT_WH)


class TestUltraFace(Detector):
    @pytest.fixture
    def spec(self):
        return ultraface.SPEC

    @pytest.fixture
    def labels(self):
        return ("face",)

    @pytest.fixture
    def outputs(self):
        return encoded.ultraface(ROWS, INPUT_WH)


class TestYuNet(Detector):
    @pytest.fixture
    def spec(self):
        return yunet.SPEC

    @pytest.fixture
    def labels(self):
        return ("face",)

    @pytest.fixture
    def outputs(self):
        return encoded.yunet(ROWS, INPUT_WH)


class TestClassification(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return classification.SPEC

    @pytest.fixture
    def params(self):
        return {"activation": "softmax", "top_k": 3}

    @pytest.fixture
    def labels(self):
        return ("ant", "bee", "cat", "dog")

    @pytest.fixture
    def outputs(self):
        return {"logits": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)}
