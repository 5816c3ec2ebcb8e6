"""Whether two decoded results say the same."""

import dataclasses

import numpy as np
import pytest

from vedette.proof.agreement import agreement
from vedette.results import AnomalyMap, Classification, Detections, Embedding, Keypoints

BOXES = [[10, 10, 110, 60], [200, 20, 240, 100], [5, 5, 15, 15]]


def boxes(rows=BOXES, confidence=(0.9, 0.6, 0.33), class_id=(0, 1, 0), **rest):
    return Detections.of(rows, confidence, class_id, **rest)


def test_the_same_boxes_in_another_order_agree():
    found = agreement(boxes().select(np.array([2, 0, 1])), boxes(), 0.05, 0.3)
    assert (found.agreeing, found.total, found.problem) == (4, 4, "")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (boxes(class_id=(0, 2, 0)), "a box of class 1 at 0.60 [200, 20, 240, 100] is missing"),
        (boxes([BOXES[0], [200, 20, 240, 110], BOXES[2]]), "is missing"),
        (boxes(confidence=(0.9, 0.52, 0.33)), "is missing"),
        (boxes(BOXES[:1], [0.9], [0]), "is missing"),
        (boxes([*BOXES, [50, 50, 90, 90]], (0.9, 0.6, 0.33, 0.5), (0, 1, 0, 0)), "was not expected"),
        (Embedding(vector=np.ones((1, 2), np.float32)), "a embedding result instead of detections"),
    ],
)
def test_what_is_clear_of_the_threshold_must_be_there(given, problem):
    found = agreement(given, boxes(), 0.05, 0.3)
    assert found.agreeing < found.total
    assert problem in found.problem


def test_what_is_near_the_threshold_may_come_and_go():
    two = boxes(BOXES[:2], (0.9, 0.6), (0, 1))
    assert agreement(two, boxes(), 0.05, 0.3).problem == ""
    assert agreement(boxes(), two, 0.05, 0.3).problem == ""
    assert agreement(two, boxes(), 0.02, 0.3).problem
    assert agreement(two, boxes(), 0.05).problem == "", "the lowest reported is near the threshold"


def test_landmarks_belong_to_the_box():
    points = np.array([[[20, 20], [80, 40]]], np.float32)
    one = boxes(BOXES[:1], [0.9], [0], points=points)
    near, far = (boxes(BOXES[:1], [0.9], [0], points=points + off) for off in (np.float32(5), np.float32(15)))
    assert agreement(near, one, 0.05, 0.3).problem == ""
    assert agreement(far, one, 0.05, 0.3).problem
    assert agreement(boxes(BOXES[:1], [0.9], [0]), one, 0.05, 0.3).problem


def classes(ids, confidence):
    return Classification(class_id=np.array(ids, np.int32), confidence=np.array(confidence, np.float32))


def test_the_best_class_counts_unless_two_were_equal():
    expected = classes([[3, 7], [1, 2]], [[0.8, 0.1], [0.41, 0.40]])
    assert agreement(classes([[3, 9], [2, 1]], [[0.6, 0.2], [0.5, 0.4]]), expected, 0.05).agreeing == 2
    wrong = agreement(classes([[7, 3], [1, 2]], [[0.8, 0.1], [0.5, 0.4]]), expected, 0.05)
    assert (wrong.agreeing, wrong.total, wrong.problem) == (1, 2, "the best class of row 0")
    assert agreement(classes([[3, 7]], [[0.8, 0.1]]), expected, 0.05).problem == "1 rows instead of 2"


def test_embeddings_point_the_same_way():
    expected = Embedding(vector=np.array([[1, 0], [0.6, 0.8]], np.float32))
    turned = Embedding(vector=np.array([[1, 0], [0.8, 0.6]], np.float32))
    assert agreement(expected, expected, 0.01).agreeing == 2
    assert agreement(turned, expected, 0.01).problem == "the direction of row 1"
    assert agreement(turned, expected, 0.05).agreeing == 2
    assert agreement(Embedding(vector=np.ones((2, 3), np.float32)), expected, 0.05).problem


def test_other_types_are_compared_by_column():
    expected = Keypoints(
        points=np.array([[[0, 0], [100, 50]]], np.float32), confidence=np.array([[0.5, 0.9]], np.float32)
    )
    moved = dataclasses.replace(expected, points=expected.points + np.float32(2))
    assert agreement(moved, expected, 0.05).agreeing == 1
    assert agreement(moved, expected, 0.01).problem == "column 'points' of row 0"
    heat = AnomalyMap(
        score=np.array([2.0], np.float32),
        heat=np.zeros((1, 4, 4), np.float32),
        xyxy=np.array([[0, 0, 8, 8]], np.float32),
    )
    assert agreement(heat, heat, 0.01).agreeing == 1
    other = dataclasses.replace(heat, heat=np.zeros((1, 4, 5), np.float32))
    assert agreement(other, heat, 0.01).problem == "the shape of column 'heat' of row 0"
