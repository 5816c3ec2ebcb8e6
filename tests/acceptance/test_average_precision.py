"""The yardstick itself, on cases small enough to work out by hand."""

import numpy as np
import pytest
from average_precision import Boxes, average_precision, iou, match, mean_average_precision


@pytest.mark.parametrize(
    ("correct", "n_truth", "want"),
    [
        ([], 3, 0.0),
        ([True], 1, 1.0),
        ([True, True, True], 3, 1.0),
        ([False, False], 2, 0.0),
        ([True], 2, 51 / 101),  # recall 0, 0.01 .. 0.5 of 101 levels are reached, at precision 1
        ([False, True], 1, 0.5),
        ([True, False, False], 1, 1.0),  # what comes after full recall costs nothing
        ([True, False, True], 2, (51 + 50 * 2 / 3) / 101),
        ([False, True, True], 2, 2 / 3),  # precision 1/2 then 2/3: the better one holds for lower recall too
        (
            [True, False, False, True],
            3,
            (34 + 33 * 0.5) / 101,
        ),  # up to 1/3 of recall: 34 levels; to 2/3: 33 more
    ],
)
def test_average_precision(correct, n_truth, want):
    confidence = np.linspace(0.9, 0.1, len(correct))
    assert average_precision(confidence, np.array(correct, bool), n_truth) == pytest.approx(want)


def test_the_order_is_by_confidence():
    assert average_precision(np.array([0.2, 0.9]), np.array([True, False]), 1) == 0.5


def test_iou():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 1, 4], [5, 5, 6, 6]], float)
    np.testing.assert_allclose(iou(boxes[:1], boxes), [[1, 1 / 7, 2 / 6, 0]])


@pytest.mark.parametrize(
    ("xyxy", "confidence", "want"),
    [
        ([[0, 0, 10, 10]], [0.9], [True]),
        ([[0, 0, 10, 5]], [0.9], [True]),  # IoU exactly 0.5
        ([[0, 0, 10, 4.9]], [0.9], [False]),
        ([[0, 0, 10, 10], [0, 0, 10, 10]], [0.5, 0.9], [False, True]),  # the more confident one takes the box
        ([[0, 0, 10, 10], [9, 0, 19, 10]], [0.9, 0.8], [True, True]),
        ([[10, 0, 20, 10], [0, 0, 10, 10]], [0.9, 0.8], [True, True]),
    ],
)
def test_match(xyxy, confidence, want):
    truth = np.array([[0, 0, 10, 10], [10, 0, 20, 10]], float)
    assert match(np.array(xyxy, float), np.array(confidence), truth, 0.5).tolist() == want


def test_a_taken_box_is_not_the_best_any_more():
    truth = np.array([[0, 0, 10, 10], [2, 0, 12, 10]], float)
    both = np.array([[0, 0, 10, 10], [0.5, 0, 10.5, 10]])  # the second also overlaps the first best
    assert match(both, np.array([0.9, 0.8]), truth, 0.5).tolist() == [True, True]


def test_the_mean_is_over_the_classes_in_the_truth():
    one, other = [0, 0, 10, 10], [50, 50, 60, 60]
    truth = [_boxes([one, other], [0, 1]), _boxes([one], [0]), _boxes([], [])]
    found = [_boxes([one], [0]), _boxes([one], [0], 0.8), _boxes([other], [7], 0.99)]
    assert mean_average_precision(found, truth) == pytest.approx((1.0 + 0.0) / 2)


def test_a_box_in_another_picture_is_wrong():
    one = [0, 0, 10, 10]
    found = [_boxes([], []), _boxes([one], [0])]
    assert mean_average_precision(found, [_boxes([one], [0]), _boxes([], [])]) == 0.0


def _boxes(xyxy, class_id, confidence=0.9):
    n = len(xyxy)
    return Boxes(np.array(xyxy, float).reshape(n, 4), np.array(class_id, int), np.full(n, confidence))
