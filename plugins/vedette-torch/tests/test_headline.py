"""The figure that models are compared by, and the interval of a difference on the same pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from vedette.results import Classification, Detections
from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample, ImageSample
from vedette_torch.evaluation.evaluate import Observed, judge
from vedette_torch.evaluation.headline import difference, headline

RANDOM = np.random.default_rng(3)
LABELS = ("a", "b", "c")


@dataclass
class Said:
    """Stands for a model: what it said is in the observation."""

    result: type
    threshold: float | None = 0.5
    labels: tuple[str, ...] = LABELS
    subject: None = None


def boxes(count):
    corners = RANDOM.uniform(0, 80, (count, 2))
    return np.hstack([corners, corners + RANDOM.uniform(5, 20, (count, 2))]).astype(np.float32)


def scene():
    sample = BoxesSample(
        path=Path("x"),
        xyxy=boxes(6),
        class_id=RANDOM.integers(0, 3, 6).astype(np.int32),
        ignore=RANDOM.random(6) < 0.3,
        crowd=RANDOM.random(6) < 0.2,
    )
    moved = sample.xyxy + RANDOM.normal(0, 2, sample.xyxy.shape)
    classes = np.concatenate([sample.class_id, RANDOM.integers(0, 3, 5)])
    return sample, Detections.of(np.vstack([moved, boxes(5)]), RANDOM.random(11), classes)


def observed(samples, results):
    return Observed(
        predictor=Said(type(results[0])), samples=samples, labels=LABELS, results=results, seconds=1.0
    )


def classified(right):
    """Pictures of class 1, of which these were called so."""
    results = [
        Classification(
            class_id=np.array([[1 if hit else 0]], np.int32), confidence=np.ones((1, 1), np.float32)
        )
        for hit in right
    ]
    return observed([ImageSample(path=Path("x"), class_id=1)] * len(results), results)


def test_it_is_the_figure_of_evaluate():
    detector = observed(*zip(*[scene() for _ in range(30)], strict=True))
    for one in (detector, classified(RANDOM.random(40) < 0.7)):
        found = headline(one)
        assert 0.1 < found.value < 0.9
        metric, figure = judge(one).headline
        assert (found.metric, found.figure.n) == (metric, figure.n)
        assert found.value == pytest.approx(figure.value)
        assert found.figure.interval == pytest.approx(figure.interval)


def test_the_interval_of_a_difference_is_on_the_same_pictures():
    right = RANDOM.random(400) < 0.9
    before, after = (headline(classified(hits)) for hits in (right, right & (np.arange(400) % 40 > 0)))
    assert difference(before, before).interval == (0, 0)
    found = difference(before, after)
    low, high = found.interval
    assert found.value == pytest.approx(before.value - after.value)
    assert 0 < low < found.value < high < 0.05


def test_figures_of_other_pictures_have_no_difference():
    some, more = (headline(classified([True] * n)) for n in (4, 5))
    with pytest.raises(DataError, match="not judged by the same figure"):
        difference(some, more)
    with pytest.raises(DataError, match="not judged by the same figure"):
        difference(some, replace(some, metric="mAP50"))
