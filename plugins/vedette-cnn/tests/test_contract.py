"""What holds for every decoder: zero results, several rows, ownership, and refusal of what is not its format."""

from dataclasses import dataclass, field
from typing import Any

import encoded
import encoded_heads
import encoded_ultralytics
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette.results import Classification, Detections, Embedding, Keypoints
from vedette_cnn.decoders import (
    DECODERS,
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

SIZE_WH = (640, 320)
"""The frame; the tensor is half of it, so that the plain affine map is a scale of 2."""
INPUT_WH = (320, 160)
PLAIN = np.array([[2.0, 0, 0], [0, 2, 0]])
SHIFTED = np.array([[0.5, 0, 100], [0, 0.25, 40]])


@dataclass(frozen=True)
class Detector:
    module: Any
    encode: Any
    gate: str
    """The output whose NaN must be noticed even where nothing is found."""
    needs: dict[str, Any] = field(default_factory=dict)
    """Parameters without a default."""

    def decode(self, outputs, affines, labels=(), **params):
        spec = self.module.SPEC
        return spec.build(labels)(outputs, np.array(affines), SIZE_WH, self.params(**params))

    def params(self, **given):
        return msgspec.convert({"input_wh": INPUT_WH, **self.needs, **given}, self.module.SPEC.params)


DETECTORS = [
    Detector(yolox, encoded.yolox, "output"),
    Detector(fastestdet, encoded.fastestdet, "758"),
    Detector(ssd, encoded.ssd, "detection_out"),
    Detector(ultraface, encoded.ultraface, "scores"),
    Detector(yunet, encoded.yunet, "cls_16"),
    Detector(gfl, encoded_heads.gfl, "output", {"cell_offset": 0}),
    Detector(boxes_labels, encoded_heads.boxes_labels, "boxes"),
    Detector(multiclass_nms, encoded_heads.multiclass_nms, "boxes", {"boxes": "boxes", "counts": "counts"}),
    Detector(ultralytics_detect, encoded_ultralytics.raw, "output0"),
    Detector(ultralytics_detect, encoded_ultralytics.records, "output0", {"layout": "records"}),
    Detector(ultralytics_obb, encoded_ultralytics.obb, "output0"),
    Detector(ultralytics_pose, encoded_ultralytics.pose, "output0"),
    Detector(ultralytics_segment, encoded_ultralytics.segment, "output0"),
    Detector(yolov5, encoded_ultralytics.yolov5, "output"),
]
ELSEWHERE = {classification.SPEC, detr.SPEC, embedding.SPEC, landmarks.SPEC, movenet.SPEC}
"""Decoders with tests of their own, because they find other things or cannot be sure of more than 1."""
ROWS = [[Box((20, 30, 60, 80), 0.8), Box((200, 30, 290, 101), 0.95)], [Box((100, 20, 130, 70), 0.7)]]


@pytest.fixture(params=DETECTORS, ids=lambda detector: detector.module.SPEC.name)
def detector(request):
    return request.param


def test_every_decoder_is_tested_here():
    assert {d.module.SPEC for d in DETECTORS} | ELSEWHERE == set(DECODERS)


def test_known_boxes_come_back_in_the_frame_most_confident_first(detector):
    found = detector.decode(detector.encode(ROWS[:1], INPUT_WH), [PLAIN])

    assert isinstance(found, detector.module.SPEC.result)
    np.testing.assert_allclose(found.xyxy, [[400, 60, 580, 202], [40, 60, 120, 160]], rtol=1e-5)
    np.testing.assert_allclose(found.confidence, [0.95, 0.8], rtol=1e-5)
    assert found.class_id.tolist() == [0, 0]
    assert found.source_row.tolist() == [0, 0]


def test_each_row_is_mapped_by_its_own_affine(detector):
    found = detector.decode(detector.encode(ROWS, INPUT_WH), [PLAIN, SHIFTED])

    assert found.source_row.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.xyxy[2], [150, 45, 165, 57.5], rtol=1e-5)


def test_rows_do_not_suppress_each_other(detector):
    same = [Box((40, 40, 100, 100))]
    assert len(detector.decode(detector.encode([same, same, same], INPUT_WH), [PLAIN] * 3)) == 3


def test_boxes_are_clipped_to_the_frame(detector):
    found = detector.decode(detector.encode([[Box((-20, -10, 60, 80))]], INPUT_WH), [PLAIN])
    np.testing.assert_allclose(found.xyxy, [[0, 0, 120, 160]], rtol=1e-5)


def test_a_box_outside_of_the_frame_is_left_out(detector):
    beside = np.array([[2.0, 0, -900], [0, 2, 0]])
    assert len(detector.decode(detector.encode(ROWS[:1], INPUT_WH), [beside])) == 0


@pytest.mark.parametrize("n", [1, 3])
def test_nothing_found_is_zero_rows(detector, n):
    found = detector.decode(detector.encode([[]] * n, INPUT_WH), [PLAIN] * n)

    assert isinstance(found, Detections)
    assert found.xyxy.shape == (0, 4)
    assert len(found) == len(found.source_row) == 0


def test_labels_are_passed_on(detector):
    one = detector.module in (ultraface, yunet)
    labels = ("face",) if one else ("cat", "dog", "owl")
    assert detector.decode(detector.encode(ROWS, INPUT_WH), [PLAIN] * 2, labels).labels == labels


def test_the_result_owns_its_arrays_and_outputs_are_not_changed(detector):
    outputs = detector.encode(ROWS, INPUT_WH)
    before = {name: array.copy() for name, array in outputs.items()}
    for array in outputs.values():
        array.flags.writeable = False
    found = detector.decode(outputs, [PLAIN] * 2)

    for name in ("xyxy", "confidence", "class_id", "source_row", "points"):
        column = getattr(found, name)
        assert column is None or column.base is None
    for name, array in outputs.items():
        np.testing.assert_array_equal(array, before[name])


def test_half_precision_outputs_are_decoded_in_single(detector):
    outputs = detector.encode(ROWS[:1], INPUT_WH)
    with np.errstate(over="ignore"):
        half = {
            name: array.astype(np.float16) if array.dtype == np.float32 else array
            for name, array in outputs.items()
        }
    found = detector.decode(half, [PLAIN])
    np.testing.assert_allclose(found.xyxy, [[400, 60, 580, 202], [40, 60, 120, 160]], atol=1.0)


def test_max_detections_counts_per_row(detector):
    found = detector.decode(detector.encode(ROWS, INPUT_WH), [PLAIN] * 2, max_detections=1)
    np.testing.assert_allclose(found.confidence, [0.95, 0.7], rtol=1e-5)


def test_the_threshold_is_inclusive(detector):
    outputs = detector.encode([[Box((40, 40, 100, 100), 0.5)]], INPUT_WH)
    assert len(detector.decode(outputs, [PLAIN], confidence_threshold=0.499)) == 1
    assert len(detector.decode(outputs, [PLAIN], confidence_threshold=0.501)) == 0


def test_nan_in_the_gate_is_not_nothing_found(detector):
    outputs = detector.encode([[]], INPUT_WH)
    outputs[detector.gate][...] = np.nan
    with pytest.raises(ResultError, match=rf"{detector.module.SPEC.name}.*holds NaN"):
        detector.decode(outputs, [PLAIN])


def test_a_box_that_is_not_finite_is_refused(detector):
    outputs = detector.encode(ROWS[:1], INPUT_WH)
    boxes = {yunet: "bbox_8", ultraface: "boxes"}.get(detector.module, detector.gate)
    place = {
        yolox: np.s_[..., 2],
        fastestdet: np.s_[:, 1],
        ssd: np.s_[..., 4],
        ultraface: np.s_[...],
        yunet: np.s_[..., 0],
        gfl: np.s_[..., 3:],
        boxes_labels: np.s_[..., 2],
        multiclass_nms: np.s_[..., 3],
        ultralytics_detect: np.s_[..., 2] if detector.needs else np.s_[:, 2],
        ultralytics_obb: np.s_[:, 2],
        ultralytics_pose: np.s_[:, 2],
        ultralytics_segment: np.s_[:, 2],
        yolov5: np.s_[..., 2],
    }[detector.module]
    outputs[boxes][place] = np.nan
    with pytest.raises(ResultError, match="not finite"):
        detector.decode(outputs, [PLAIN])


def test_confidences_above_one_are_refused(detector):
    with pytest.raises(ResultError, match="not probabilities"):
        detector.decode(detector.encode([[Box((40, 40, 100, 100), 5.0)]], INPUT_WH), [PLAIN])


def test_a_quantisation_step_above_one_is_one(detector):
    found = detector.decode(detector.encode([[Box((40, 40, 100, 100), 1.004)]], INPUT_WH), [PLAIN])
    assert found.confidence.tolist() == [1.0]


def test_another_number_of_rows_is_refused(detector):
    outputs = {name: np.concatenate([array] * 2) for name, array in detector.encode(ROWS, INPUT_WH).items()}
    with pytest.raises(ResultError, match=detector.module.SPEC.name):
        detector.decode(outputs, [PLAIN] * 3)


def test_integers_are_refused(detector):
    outputs = {name: array.astype(np.int32) for name, array in detector.encode(ROWS[:1], INPUT_WH).items()}
    with pytest.raises(ResultError, match="int32"):
        detector.decode(outputs, [PLAIN])


def test_another_network_is_refused(detector):
    image = {"prob": np.zeros((1, 1000), np.float32)}
    with pytest.raises(ResultError, match=detector.module.SPEC.name):
        detector.decode(image, [PLAIN])


def test_too_few_labels_are_refused(detector):
    outputs = detector.encode([[Box((40, 40, 100, 100))]], INPUT_WH)
    listed = detector.module in (ssd, boxes_labels, multiclass_nms) or "layout" in detector.needs
    if listed:  # which do not say how many classes there are
        outputs = detector.encode([[Box((40, 40, 100, 100), class_id=2)]], INPUT_WH)
    with pytest.raises(ResultError, match="2 labels"):
        detector.decode(outputs, [PLAIN], ("a", "b"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence_threshold", 1.5),
        ("confidence_threshold", -0.1),
        ("confidence_threshold", "high"),
        ("max_detections", 0),
        ("input_wh", (0, 160)),
        ("threshold", 0.5),
    ],
)
def test_bad_parameters_are_refused_by_name(detector, field, value):
    with pytest.raises(msgspec.ValidationError, match=field):
        detector.params(**{field: value})


def test_the_input_size_has_to_be_given(detector):
    with pytest.raises(msgspec.ValidationError, match="input_wh"):
        msgspec.convert({}, detector.module.SPEC.params)


@pytest.mark.parametrize("module", [boxes_labels, fastestdet, gfl, ultraface, yolox, yunet])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_the_overlap_threshold_is_a_fraction(module, value):
    needs = next(detector.needs for detector in DETECTORS if detector.module is module)
    with pytest.raises(msgspec.ValidationError, match="iou_threshold"):
        msgspec.convert({"input_wh": INPUT_WH, **needs, "iou_threshold": value}, module.SPEC.params)


def test_result_types():
    assert {spec.name: spec.result for spec in DECODERS} == {
        "boxes_labels": Detections,
        "classification": Classification,
        "detr": Detections,
        "embedding": Embedding,
        "fastestdet": Detections,
        "gfl": Detections,
        "landmarks": Keypoints,
        "movenet": Keypoints,
        "multiclass_nms": Detections,
        "ssd": Detections,
        "ultraface": Detections,
        "ultralytics_detect": Detections,
        "ultralytics_obb": Detections,
        "ultralytics_pose": Detections,
        "ultralytics_segment": Detections,
        "yolov5": Detections,
        "yolox": Detections,
        "yunet": Detections,
    }
