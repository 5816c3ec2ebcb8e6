"""mAP, worked out by hand and held against pycocotools, crowds and ignored boxes included."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from vedette.results import Detections
from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample
from vedette_torch.metrics.average_precision import average_precision
from vedette_torch.metrics.detection import detection_figures, map50_draws
from vedette_torch.metrics.figure import Resampling

FEW = Resampling(count=20)
ONE, OTHER = [0, 0, 10, 10], [50, 50, 60, 60]


def truth(xyxy, class_id, crowd=None, ignore=None):
    return BoxesSample(
        path=Path("p.png"),
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        class_id=np.array(class_id, np.int32),
        crowd=None if crowd is None else np.array(crowd, bool),
        ignore=None if ignore is None else np.array(ignore, bool),
    )


def found(xyxy, class_id, confidence=0.9):
    n = len(class_id)
    return Detections.of(xyxy, np.broadcast_to(confidence, n), class_id)


@pytest.mark.parametrize(
    ("correct", "n_truth", "want"),
    [
        ([], 3, 0.0),
        ([True], 1, 1.0),
        ([False, False], 2, 0.0),
        ([True], 2, 51 / 101),  # recall 0, 0.01 .. 0.5 of 101 levels are reached, at precision 1
        ([False, True], 1, 0.5),
        ([True, False, False], 1, 1.0),  # what comes after full recall costs nothing
        ([True, False, True], 2, (51 + 50 * 2 / 3) / 101),
        ([False, True, True], 2, 2 / 3),  # precision 1/2 then 2/3: the better one holds for lower recall too
    ],
)
def test_average_precision(correct, n_truth, want):
    right = np.array([correct], bool)
    value = average_precision(
        np.ones((1, len(correct))), right, np.zeros_like(right), np.array([float(n_truth)])
    )
    assert value == pytest.approx(want)


def test_a_picture_drawn_twice_counts_twice():
    right = np.array([[True, False, True]])
    void = np.zeros_like(right)
    weighted = average_precision(np.array([[2.0, 1.0, 0.0]]), right, void, np.array([3.0]))
    plain = average_precision(np.ones((1, 3)), np.array([[True, True, False]]), void, np.array([3.0]))
    assert weighted == pytest.approx(plain)


def test_the_mean_is_over_the_classes_in_the_truth():
    real = [truth([ONE, OTHER], [0, 1]), truth([ONE], [0]), truth([], [])]
    said = [found([ONE], [0]), found([ONE], [0], 0.8), found([OTHER], [7], 0.99)]
    got = detection_figures(real, said, "abcdefgh", resampling=FEW)
    assert (got.map50.value, got.map50_95.value) == (0.5, 0.5)
    assert [(c.label, c.boxes, c.pictures, c.ap50.value) for c in got.per_class] == [
        ("a", 2, 2, 1.0),
        ("b", 1, 1, 0.0),
    ]
    assert (got.precision.value, got.precision.n) == (2 / 3, 3)  # the box of a class that is nowhere is wrong
    assert (got.recall.value, got.recall.n, got.boxes, got.n) == (2 / 3, 3, 3, 3)


def test_overlap_decides_at_each_threshold():
    got = detection_figures([truth([ONE], [0])], [found([[0, 0, 10, 7.2]], [0])], "a", resampling=FEW)
    assert got.map50.value == 1.0
    assert got.map50_95.value == pytest.approx(0.5)  # 0.72 is enough for 0.5, 0.55, 0.6, 0.65 and 0.7


def test_threshold():
    real, said = [truth([ONE, OTHER], [0, 0])], [found([ONE, OTHER], [0, 0], [0.9, 0.3])]
    got = detection_figures(real, said, "a", threshold=0.5, resampling=FEW)
    assert (got.map50.value, got.precision.value, got.recall.value, got.threshold) == (1.0, 1.0, 0.5, 0.5)


def test_a_crowd_is_no_miss_and_takes_any_number():
    real = [truth([ONE, [40, 40, 80, 80]], [0, 0], crowd=[False, True])]
    inside = [[41, 41, 50, 50], [60, 60, 70, 70]]
    got = detection_figures(real, [found([ONE, *inside], [0, 0, 0], [0.8, 0.9, 0.95])], "a", resampling=FEW)
    assert (got.map50.value, got.precision.value, got.recall.value, got.boxes) == (1.0, 1.0, 1.0, 1)


def test_an_ignored_box_takes_one():
    real = [truth([ONE, OTHER], [0, 0], ignore=[False, True])]
    got = detection_figures(
        real, [found([ONE, OTHER, OTHER], [0, 0, 0], [0.7, 0.9, 0.8])], "a", resampling=FEW
    )
    assert got.map50.value == 0.5  # the second on the same box is wrong
    assert got.precision.value == 0.5


def test_nothing_to_find():
    with pytest.raises(DataError, match="no box to be found"):
        detection_figures([truth([], [])], [found([ONE], [0])], "a")
    with pytest.raises(DataError, match="class 1 has no label"):
        detection_figures([truth([ONE], [1])], [found([ONE], [0])], "a")


def scene(seed, pictures=30, classes=4):
    """True boxes, some ignored or of crowds, and a detector that moves, misses, doubles and makes up."""
    random = np.random.default_rng(seed)
    real, said = [], []
    for _ in range(pictures):
        n = random.integers(0, 9)
        low = random.uniform(0, 300, (n, 2))
        boxes = np.concatenate([low, low + random.uniform(5, 150, (n, 2))], axis=1)
        ids = random.integers(0, classes, n)
        real.append(truth(boxes, ids, crowd=random.random(n) < 0.15))
        copies = np.repeat(np.arange(n), random.integers(0, 4, n))
        extra = random.uniform(0, 300, (5, 2))
        moved = boxes[copies] + random.normal(0, 6, (len(copies), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        made_up = np.concatenate([extra, extra + 30], axis=1)
        ids = np.concatenate([ids[copies], random.integers(0, classes, 5)])
        confidence = random.choice([0.2, 0.5, 0.9, *random.random(20)], len(ids))  # some are equal
        said.append(found(np.concatenate([moved, made_up]), ids, confidence))
    return real, said


@pytest.mark.parametrize("seed", range(6))
def test_as_pycocotools(seed):
    pytest.importorskip("pycocotools", reason="needs pycocotools: pip install pycocotools")
    real, said = scene(seed)
    got = detection_figures(real, said, "abcd", resampling=FEW)
    want = coco_stats(real, said, 4)
    assert got.map50.value == pytest.approx(want[1], abs=1e-6)
    assert got.map50_95.value == pytest.approx(want[0], abs=1e-6)


def coco_stats(real, said, classes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def xywh(box):
        return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]

    annotations = []
    for picture, sample in enumerate(real, 1):
        crowd = np.zeros(len(sample.xyxy), bool) if sample.crowd is None else sample.crowd
        for box, id_, many in zip(sample.xyxy.astype(float), sample.class_id, crowd, strict=True):
            area = float((box[2] - box[0]) * (box[3] - box[1]))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": picture,
                    "category_id": int(id_) + 1,
                    "bbox": xywh(box),
                    "area": area,
                    "iscrowd": int(many),
                }
            )
    rows = [
        {"image_id": picture, "category_id": int(id_) + 1, "bbox": xywh(box), "score": float(score)}
        for picture, one in enumerate(said, 1)
        for box, id_, score in zip(one.xyxy.astype(float), one.class_id, one.confidence, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": n} for n in range(1, len(real) + 1)],
            "annotations": annotations,
            "categories": [{"id": n} for n in range(1, classes + 1)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats


def test_draws_are_those_of_the_pictures():
    """A resample with weights is mAP over the pictures that were drawn, as often as they were drawn."""
    real, said = scene(0)
    value, draws = map50_draws(real, said, "abcd", FEW)
    assert value == pytest.approx(detection_figures(real, said, "abcd", resampling=FEW).map50.value)
    (weights,) = FEW.weights(len(real), FEW.count)
    for row in range(5):
        rows = np.repeat(np.arange(len(real)), weights[row].astype(int))
        drawn, _ = map50_draws([real[r] for r in rows], [said[r] for r in rows], "abcd", Resampling(count=1))
        assert draws[row] == pytest.approx(drawn, abs=0.02)  # ties of confidence are in another order
