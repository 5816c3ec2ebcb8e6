"""Every decoder keeps to what the pipeline relies on."""

import encoded
import encoded_heads
import encoded_ultralytics
import numpy as np
import pytest
from encoded import Box

from vedette.testing.conformance import PostprocessConformance
from vedette_cnn.decoders import (
    boxes_labels,
    classification,
    detr,
    embedding,
    fastestdet,
    gfl,
    landmarks,
    movenet,
    multiclass_nms,
    ssd,
    ultraface,
    ultralytics_detect,
    ultralytics_obb,
    ultralytics_pose,
    ultralytics_segment,
    yolov5,
    yolox,
    yunet,
)

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


class TestGfl(Detector):
    @pytest.fixture
    def spec(self):
        return gfl.SPEC

    @pytest.fixture
    def params(self):
        return {"input_wh": INPUT_WH, "cell_offset": 0}

    @pytest.fixture
    def outputs(self):
        return encoded_heads.gfl(ROWS, INPUT_WH)


class TestDetr(Detector):
    @pytest.fixture
    def spec(self):
        return detr.SPEC

    @pytest.fixture
    def params(self):
        return {"input_wh": INPUT_WH, "activation": "softmax"}

    @pytest.fixture
    def outputs(self):
        return encoded_heads.detr(ROWS, INPUT_WH, no_object=True)


class TestBoxesLabels(Detector):
    @pytest.fixture
    def spec(self):
        return boxes_labels.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_heads.boxes_labels(ROWS, INPUT_WH)


class TestMulticlassNms(Detector):
    """Its output is one list over all rows of the batch."""

    @pytest.fixture
    def spec(self):
        return multiclass_nms.SPEC

    @pytest.fixture
    def params(self):
        return {"input_wh": INPUT_WH, "boxes": "boxes", "counts": "counts"}

    @pytest.fixture
    def outputs(self):
        return encoded_heads.multiclass_nms(ROWS, INPUT_WH)

    @pytest.fixture
    def rows(self):
        return len(ROWS)

    @pytest.fixture
    def no_rows(self):
        return encoded_heads.multiclass_nms([], INPUT_WH)

    def one_row(self, outputs, row):
        return encoded_heads.multiclass_nms([ROWS[row]], INPUT_WH)


class TestEmbedding(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return embedding.SPEC

    @pytest.fixture
    def outputs(self):
        return {"vector": np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)}


class TestLandmarks(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return landmarks.SPEC

    @pytest.fixture
    def params(self):
        return {"input_wh": (48, 48)}

    @pytest.fixture
    def labels(self):
        return ()

    @pytest.fixture
    def outputs(self):
        return {"95": np.random.default_rng(0).uniform(size=(3, 10, 1, 1)).astype(np.float32)}


class TestMoveNet(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return movenet.SPEC

    @pytest.fixture
    def params(self):
        return {"input_wh": (192, 192)}

    @pytest.fixture
    def labels(self):
        return ()

    @pytest.fixture
    def outputs(self):
        return {"pose": np.random.default_rng(0).uniform(size=(3, 1, 17, 3)).astype(np.float32)}


class TestMoveNetOfSeveral(TestMoveNet):
    @pytest.fixture
    def outputs(self):
        return {"pose": np.random.default_rng(0).uniform(0.3, 1, size=(2, 6, 56)).astype(np.float32)}


class TestUltralyticsDetect(Detector):
    @pytest.fixture
    def spec(self):
        return ultralytics_detect.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.raw(ROWS, INPUT_WH)


class TestUltralyticsRecords(TestUltralyticsDetect):
    @pytest.fixture
    def params(self):
        return {"input_wh": INPUT_WH, "layout": "records"}

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.records(ROWS, INPUT_WH)


class TestUltralyticsObb(Detector):
    @pytest.fixture
    def spec(self):
        return ultralytics_obb.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.obb(ROWS, INPUT_WH, angle=0.4)


class TestUltralyticsPose(Detector):
    @pytest.fixture
    def spec(self):
        return ultralytics_pose.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.pose(ROWS, INPUT_WH)


class TestUltralyticsSegment(Detector):
    @pytest.fixture
    def spec(self):
        return ultralytics_segment.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.segment(ROWS, INPUT_WH)


class TestYolov5(Detector):
    @pytest.fixture
    def spec(self):
        return yolov5.SPEC

    @pytest.fixture
    def outputs(self):
        return encoded_ultralytics.yolov5(ROWS, INPUT_WH)
