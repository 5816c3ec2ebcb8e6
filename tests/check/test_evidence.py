"""What counts as evidence, by hand."""

import numpy as np
import pytest

from vedette.checking.evidence import Evidence, Things, confirmed, findings, gains, sureness
from vedette.results import AnomalyMap, Classification, Detections, Embedding, Keypoints

WIDTH, SIZE = 100, (100, 80)


def boxes(*rows):
    """``(x0, y0, x1, y1, confidence, class)`` each."""
    table = np.array(rows, float).reshape(-1, 6)
    return findings(Detections.of(table[:, :4], table[:, 4], table[:, 5]), SIZE)


def classes(ids, confidence):
    result = Classification(class_id=np.array([ids], np.int32), confidence=np.array([confidence], np.float32))
    return findings(result, SIZE)


def things(*weights):
    places = [(10 * i, 0, 10 * i + 10, 10) for i in range(len(weights))]
    return Things(xyxy=np.array(places, float).reshape(-1, 4), weight=np.array(weights, float))


def test_what_the_mirrored_picture_shows_counts_for_the_smaller_confidence():
    seen = confirmed(boxes((10, 10, 30, 40, 0.9, 2)), boxes((70, 10, 90, 40, 0.8, 2)), WIDTH)
    np.testing.assert_allclose(seen.xyxy, [[10, 10, 30, 40]])
    np.testing.assert_allclose(seen.weight, [0.8 * 0.8 / 0.9], rtol=1e-6)  # 0.8 of 0.9 is confirmed


@pytest.mark.parametrize(
    "mirrored", [(10, 10, 30, 40, 0.9, 2), (70, 10, 90, 40, 0.9, 3), (70, 50, 90, 79, 0.9, 2)]
)
def test_another_place_or_class_confirms_nothing(mirrored):
    assert len(confirmed(boxes((10, 10, 30, 40, 0.9, 2)), boxes(mirrored), WIDTH)) == 0


def test_a_network_that_sees_things_everywhere_gives_little_evidence():
    real, random = (10, 10, 30, 40, 0.9, 0), np.random.default_rng(0)
    noise = [[(x, y, x + 6, y + 6, 1.0, 0) for x, y in random.uniform(0, 70, (40, 2))] for _ in range(2)]
    good = confirmed(boxes(real), boxes((70, 10, 90, 40, 0.9, 0)), WIDTH)
    saturated = confirmed(boxes(*noise[0]), boxes(*noise[1]), WIDTH)
    assert good.weight.sum() == pytest.approx(0.9)
    assert saturated.weight.sum() < 0.5


def test_one_thing_confirms_one_thing():
    twice = boxes((10, 10, 30, 40, 0.9, 0), (11, 10, 31, 40, 0.8, 0))
    assert len(confirmed(twice, boxes((70, 10, 90, 40, 0.9, 0)), WIDTH)) == 1


def test_classes_of_a_picture_are_one_thing():
    seen = confirmed(classes([3, 5], [0.6, 0.3]), classes([5, 3], [0.5, 0.4]), WIDTH)
    np.testing.assert_allclose(seen.weight, [(0.4 + 0.3) ** 2 / 0.9], rtol=1e-6)


def test_keypoints_are_confirmed_by_any_point_at_their_place():
    points = np.array([[[20, 20], [60, 70]]], np.float32)
    flipped = np.array([[[40, 70], [80, 20]]], np.float32)  # left and right have changed places
    upright, mirrored = (
        findings(Keypoints(points=found, confidence=np.full((1, 2), 0.8, np.float32)), SIZE)
        for found in (points, flipped)
    )
    assert confirmed(upright, mirrored, WIDTH).weight.sum() == pytest.approx(1.6)


def test_nothing_found_is_no_evidence():
    assert len(confirmed(boxes(), boxes((70, 10, 90, 40, 0.9, 0)), WIDTH)) == 0
    assert Evidence(pictures=[confirmed(boxes(), boxes(), WIDTH)]).total == 0


@pytest.mark.parametrize(
    "result",
    [
        Embedding(vector=np.ones((1, 4), np.float32)),
        AnomalyMap(
            score=np.ones(1, np.float32),
            heat=np.ones((1, 2, 2), np.float32),
            xyxy=np.ones((1, 4), np.float32),
        ),
    ],
)
def test_results_without_confidence_have_no_findings(result):
    assert findings(result, SIZE) is None


def test_gains_are_of_what_either_sees():
    given = Things(xyxy=np.array([[0.0, 0, 10, 10], [50, 0, 60, 10]]), weight=np.array([0.5, 0.4]))
    other = Things(xyxy=np.array([[0.0, 0, 10, 9], [20, 0, 30, 10]]), weight=np.array([0.7, 0.3]))
    assert sorted(gains(given, other)) == pytest.approx([-0.4, 0.2, 0.3])


def test_sureness_is_the_sum_in_standard_deviations_of_chance():
    given, other = (Evidence(pictures=[things(*[weight] * 9)]) for weight in (0.5, 0.6))
    assert sureness(given, other) == pytest.approx(3.0)  # nine equal gains: 9 / sqrt(9)
    assert sureness(other, given) == pytest.approx(-3.0)
    assert sureness(given, given) == 0
