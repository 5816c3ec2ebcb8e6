"""Which mistakes are the worst, and the curve behind an average precision."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from vedette.results import Classification, Detections
from vedette_torch.data.samples import BoxesSample, ImageSample
from vedette_torch.evaluation.evaluate import Observed
from vedette_torch.evaluation.predictor import Subject
from vedette_torch.metrics.detection import detection_figures
from vedette_torch.metrics.precision_recall import MEAN, precision_recall
from vedette_torch.report.mistakes import worst_mistakes

LABELS = ("a", "b", "c")


@dataclass
class Says:
    """A predictor that has spoken."""

    result: type
    threshold: float | None = 0.5
    labels: tuple[str, ...] = LABELS
    subject: Subject = field(default_factory=lambda: Subject(kind="edge", name="test", path=""))


def observed(result, samples, results) -> Observed:
    return Observed(predictor=Says(result), samples=samples, labels=LABELS, results=results, seconds=1.0)


def said(*classes_and_confidences):
    ids, confidences = zip(*classes_and_confidences, strict=True)
    return Classification(
        class_id=np.array([ids], np.int32), confidence=np.array([confidences], np.float32), labels=LABELS
    )


def boxes(*rows):
    """``(x0, y0, x1, y1, class, confidence)``."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(
        xyxy=table[:, :4], class_id=table[:, 4].astype(np.int32), confidence=table[:, 5], labels=LABELS
    )


def truth(name, *rows, **flags):
    table = np.array(rows, np.float32).reshape(-1, 5)
    return BoxesSample(path=Path(name), xyxy=table[:, :4], class_id=table[:, 4].astype(np.int32), **flags)


def test_a_classifiers_worst_are_those_it_was_surest_of():
    samples = [ImageSample(path=Path(name), class_id=0) for name in ("right", "unsure", "sure")]
    results = [said((0, 0.9), (1, 0.1)), said((1, 0.5), (0, 0.4)), said((2, 0.99))]
    found = worst_mistakes(observed(Classification, samples, results), 10)
    assert [str(one.path) for one in found] == ["sure", "unsure"]
    assert found[0].says == "a taken for c (0.99)"
    assert found[1].says == "a taken for b (0.50, to it 0.40)"
    assert len(worst_mistakes(observed(Classification, samples, results), 1)) == 1


def test_a_detectors_worst_have_most_wrong_and_missed_boxes():
    samples = [
        truth("fine", (0, 0, 10, 10, 0)),
        truth("wrong class", (0, 0, 10, 10, 0)),
        truth("missed", (0, 0, 10, 10, 0), (20, 20, 30, 30, 1)),
        truth("crowd", (0, 0, 50, 50, 0), ignore=np.array([True]), crowd=np.array([True])),
    ]
    results = [
        boxes((0, 0, 10, 9, 0, 0.9), (40, 40, 50, 50, 0, 0.2)),  # the second is below the threshold
        boxes((0, 0, 10, 10, 1, 0.8)),
        boxes((0, 0, 10, 10, 0, 0.8)),
        boxes((0, 0, 10, 10, 0, 0.8), (20, 20, 30, 30, 0, 0.8)),
    ]
    found = worst_mistakes(observed(Detections, samples, results), 10)
    assert [(str(one.path), one.says) for one in found] == [
        ("wrong class", "1 wrong, 1 missed of 1"),
        ("missed", "1 missed of 2"),
    ]
    kinds = {(box.real, box.wrong, box.label) for box in found[1].boxes}
    assert kinds == {(False, False, "a"), (True, False, "a"), (True, True, "b")}


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_of_a_curve_is_the_average_precision(seed):
    rng = np.random.default_rng(seed)
    samples, results = [], []
    for number in range(30):
        corners = rng.uniform(0, 80, (4, 2))
        rows = [(*corner, *(corner + 15), rng.integers(3)) for corner in corners]
        samples.append(truth(f"{number:02}", *rows))
        moved = [(*(np.array(row[:4]) + rng.normal(0, 2, 4)), row[4], rng.uniform()) for row in rows]
        extra = [
            (*corner, *(corner + 15), rng.integers(3), rng.uniform()) for corner in rng.uniform(0, 80, (2, 2))
        ]
        results.append(boxes(*moved, *extra))
    figures = detection_figures(samples, results, LABELS)
    curves = precision_recall(samples, results, LABELS)
    assert np.mean(curves[MEAN].precision) == pytest.approx(figures.map50.value, abs=1e-9)
    for one in figures.per_class:
        assert np.mean(curves[one.label].precision) == pytest.approx(one.ap50.value, abs=1e-9)
        assert all(np.diff(curves[one.label].precision) <= 0)
