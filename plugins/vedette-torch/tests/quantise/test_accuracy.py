"""Figures of the gate, against those of ``vedette evaluate``."""

from pathlib import Path

import numpy as np
import pytest

from vedette.results import Classification, Detections, Embedding
from vedette_torch.data.samples import BoxesSample, ImageSample
from vedette_torch.metrics.detection import detection_figures
from vedette_torch.quantise.accuracy import drop_interval, metric_for
from vedette_torch.quantise.errors import QuantiseError

RANDOM = np.random.default_rng(3)
LABELS = ("a", "b", "c")


def boxes(count):
    corners = RANDOM.uniform(0, 80, (count, 2))
    return np.hstack([corners, corners + RANDOM.uniform(5, 20, (count, 2))]).astype(np.float32)


def scene(crowded=False):
    sample = BoxesSample(
        path=Path("x"),
        xyxy=boxes(6),
        class_id=RANDOM.integers(0, 3, 6).astype(np.int32),
        ignore=RANDOM.random(6) < 0.3,
        crowd=RANDOM.random(6) < 0.2,
    )
    moved = sample.xyxy + RANDOM.normal(0, 2, sample.xyxy.shape)
    found = Detections.of(
        np.vstack([moved, boxes(5)]),
        RANDOM.random(11),
        np.concatenate([sample.class_id, RANDOM.integers(0, 3, 5)]),
    )
    return sample, found


def test_map50_is_that_of_evaluate():
    samples, found = zip(*[scene() for _ in range(30)], strict=True)
    metric = metric_for(Detections, len(LABELS))
    evidence = [metric.evidence(result, sample) for result, sample in zip(found, samples, strict=True)]
    expected = detection_figures(samples, found, LABELS).map50
    figure = metric.figure(evidence)
    assert 0.1 < figure.value < 0.9
    assert figure.value == pytest.approx(expected.value)
    assert figure.interval == pytest.approx(expected.interval)


def test_top1_has_the_interval_of_a_proportion():
    metric = metric_for(Classification, 3)
    results = [
        Classification(class_id=np.array([[k]], np.int32), confidence=np.ones((1, 1), np.float32))
        for k in (0, 1)
    ]
    sample = ImageSample(path=Path("x"), class_id=1)
    evidence = [metric.evidence(result, sample) for result in results] * 5
    figure = metric.figure(evidence)
    assert (figure.value, figure.n) == (0.5, 10)
    assert figure.interval == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_the_interval_of_a_difference_is_paired():
    metric = metric_for(Classification, 3)
    before = list(RANDOM.random(400) < 0.9)
    assert drop_interval(metric, before, before) == (0, 0)
    after = [bool(right and number % 40) for number, right in enumerate(before)]
    low, high = drop_interval(metric, before, after)
    assert 0 < low < np.mean(before) - np.mean(after) < high < 0.05


def test_results_without_a_metric_are_refused():
    with pytest.raises(QuantiseError, match="no metric for results of type 'embedding'"):
        metric_for(Embedding, 3)
