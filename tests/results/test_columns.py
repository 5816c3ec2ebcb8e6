"""Results are checked when they are made, and select, own and freeze their columns."""

import doctest

import numpy as np
import pytest

import vedette.results
from vedette.errors import ResultError, VedetteError
from vedette.results import (
    RESULT_TYPES,
    AnomalyMap,
    Classification,
    ClipPrediction,
    Detections,
    Embedding,
    Keypoints,
)


def two_boxes(**columns):
    default = {
        "xyxy": np.array([[0, 0, 2, 2], [1, 1, 3, 3]], np.float32),
        "confidence": np.array([0.9, 0.2], np.float32),
        "class_id": np.array([0, 1], np.int32),
    }
    return Detections(**{**default, **columns})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"xyxy": np.zeros((2, 5), np.float32)},
            r"detections.xyxy must be \(2, 4\) float32, not \(2, 5\) float32",
        ),
        ({"xyxy": np.zeros((2, 4))}, r"detections.xyxy must be \(2, 4\) float32, not \(2, 4\) float64"),
        ({"confidence": np.zeros(3, np.float32)}, r"detections.confidence must be \(2\) float32, not \(3,\)"),
        ({"class_id": np.zeros(2, np.int64)}, r"detections.class_id must be \(2\) int32, not \(2,\) int64"),
        ({"class_id": np.zeros((2, 1), np.int32)}, r"detections.class_id must be \(2\) int32, not \(2, 1\)"),
        ({"class_id": [0, 1]}, "detections.class_id must be a numpy array, not list"),
        ({"confidence": None}, "detections.confidence must be a numpy array, not NoneType"),
        ({"track_id": np.zeros(2, np.int32)}, r"detections.track_id must be \(2\) int64"),
        ({"points": np.zeros((2, 5, 3), np.float32)}, r"detections.points must be \(2, any, 2\) float32"),
        ({"source_row": np.zeros(3, np.int32)}, r"detections.source_row must be \(2\) int32, not \(3,\)"),
        ({"source_row": np.zeros(0, np.int32)}, r"detections.source_row must be \(2\) int32, not \(0,\)"),
        ({"source_row": None}, "detections.source_row must be a numpy array"),
        ({"xyxy": np.float32(0)}, "detections.xyxy must be a numpy array, not numpy.float32"),
        ({"xyxy": np.zeros((), np.float32)}, r"detections.xyxy must be \(0, 4\) float32, not \(\)"),
    ],
)
def test_a_column_that_does_not_fit_is_named_with_what_it_must_be(columns, message):
    with pytest.raises(ResultError, match=message) as caught:
        two_boxes(**columns)
    assert isinstance(caught.value, VedetteError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Classification(
                class_id=np.zeros((2, 3), np.int32), confidence=np.zeros((2, 5), np.float32)
            ),
            r"classification.confidence must be \(2, 3\) float32, not \(2, 5\)",
        ),
        (
            lambda: Keypoints(
                points=np.zeros((2, 17, 2), np.float32), confidence=np.zeros((2, 5), np.float32)
            ),
            r"keypoints.confidence must be \(2, 17\) float32, not \(2, 5\)",
        ),
        (
            lambda: ClipPrediction(
                class_id=np.zeros((1, 2), np.int32),
                confidence=np.zeros((1, 2), np.float32),
                window_ns=np.zeros((1, 3), np.int64),
            ),
            r"clip.window_ns must be \(1, 2\) int64, not \(1, 3\)",
        ),
        (
            lambda: Embedding(vector=np.zeros(4, np.float32)),
            r"embedding.vector must be \(4, any\) float32, not \(4,\)",
        ),
        (
            lambda: AnomalyMap(
                score=np.zeros(1, np.float32),
                heat=np.zeros((1, 8), np.float32),
                xyxy=np.zeros((1, 4), np.float32),
            ),
            r"anomaly.heat must be \(1, any, any\) float32, not \(1, 8\)",
        ),
    ],
)
def test_columns_of_a_row_belong_together(make, message):
    with pytest.raises(ResultError, match=message):
        make()


def test_rows_come_from_the_whole_frame_unless_said_otherwise():
    result = two_boxes()
    assert (result.source, result.source_row.tolist()) == ("frame", [0, 0])
    assert result.source_row.dtype == np.int32


def test_columns_are_read_only():
    result = two_boxes(points=np.zeros((2, 5, 2), np.float32))
    for name in ("xyxy", "confidence", "class_id", "points", "source_row"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(result, name)[0] = 1


@pytest.mark.parametrize("rows", [np.array([False, True]), np.array([1]), np.array([-1])])
def test_select_keeps_all_columns_together(rows):
    result = two_boxes(
        track_id=np.array([7, 8]),
        points=np.array([[[1, 2]], [[3, 4]]], np.float32),
        source="cars",
        source_row=np.array([3, 5], np.int32),
        labels=("a", "b"),
    )
    kept = result.select(rows)
    assert kept.to_builtins() == {
        "type": "detections",
        "source": "cars",
        "source_row": [5],
        "labels": ["a", "b"],
        "xyxy": [[1, 1, 3, 3]],
        "confidence": [float(np.float32(0.2))],
        "class_id": [1],
        "track_id": [8],
        "points": [[[3, 4]]],
    }
    assert len(result) == 2


def test_select_can_keep_nothing():
    nothing = two_boxes(points=np.zeros((2, 5, 2), np.float32)).select(np.zeros(2, bool))
    assert (nothing.xyxy.shape, nothing.points.shape, len(nothing)) == ((0, 4), (0, 5, 2), 0)


def test_of_converts_copies_and_keeps_the_callers_array_writable():
    boxes = np.zeros((1, 4), np.float32)
    result = Detections.of(boxes, [0.5], [1])
    boxes[0] = 9
    assert result.xyxy.tolist() == [[0, 0, 0, 0]]
    assert (result.confidence.dtype, result.class_id.dtype) == (np.float32, np.int32)


def test_of_takes_empty_lists_as_no_boxes():
    assert Detections.of([], [], []).xyxy.shape == (0, 4)


def test_of_does_not_fold_a_flat_list_into_boxes():
    with pytest.raises(ResultError, match="xyxy"):
        Detections.of([1, 2, 3, 4, 5, 6, 7, 8], [0.5, 0.5], [1, 1])


@pytest.mark.parametrize("kind", RESULT_TYPES)
def test_empty_is_a_valid_result_without_rows(kind):
    nothing = kind.empty(labels=("a",))
    assert (len(nothing), nothing.source_row.shape, nothing.labels) == (0, (0,), ("a",))


def test_owned_copies_views_only():
    raw = np.arange(8, dtype=np.float32).reshape(4, 2)[:2]
    view = Embedding(vector=raw)
    owned = view.owned()
    assert owned.vector.base is None
    assert owned.vector.tolist() == raw.tolist()
    assert owned.owned() is owned


def test_examples_in_the_docstrings():
    assert doctest.testmod(vedette.results).failed == 0
