"""Results as JSON and back: bit for bit, for every type."""

import base64
import tracemalloc
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vedette.errors import ResultError
from vedette.results import (
    RESULT_TYPES,
    Classification,
    Detections,
    Keypoints,
    from_builtins,
)

LENGTHS = st.integers(0, 4)


@st.composite
def results(draw, kind):
    """Any result of a type: any values, any lengths, zero rows included."""
    n, named = draw(LENGTHS), {"k": draw(LENGTHS)}
    columns = {}
    for name, column in kind.columns.items():
        if column.optional and draw(st.booleans()):
            continue
        inner = [named.get(size) if isinstance(size, str) else size for size in column.shape[1:]]
        shape = (n, *(draw(LENGTHS) if size is None else size for size in inner))
        is_float = np.issubdtype(column.dtype, np.floating)
        values = st.floats(width=32, allow_nan=False, allow_infinity=False) if is_float else None
        columns[name] = draw(arrays.arrays(column.dtype, shape, elements=values))
    return kind(
        source=draw(st.sampled_from(["frame", "cars"])),
        source_row=draw(arrays.arrays(np.int32, n)),
        labels=draw(st.sampled_from([(), ("person",), ("a", "Straße", '"')])),
        **columns,
    )


def through_json(result):
    return from_builtins(msgspec.json.decode(msgspec.json.encode(result.to_builtins())))


@pytest.mark.parametrize("kind", RESULT_TYPES)
@given(st.data())
def test_round_trip_is_exact(kind, data):
    result = data.draw(results(kind))
    again = through_json(result)

    assert type(again) is kind
    assert (again.source, again.labels) == (result.source, result.labels)
    for name in ("source_row", *kind.columns):
        before, after = getattr(result, name), getattr(again, name)
        if before is None:
            assert after is None
            continue
        assert after.dtype == before.dtype
        if before.size:
            assert after.shape == before.shape
            assert after.tobytes() == before.tobytes()
        else:
            assert (after.ndim, len(after)) == (before.ndim, len(before))


@pytest.mark.parametrize("kind", RESULT_TYPES)
def test_zero_rows_stay_a_result(kind):
    again = through_json(kind.empty())
    for name, column in kind.columns.items():
        if not column.optional:
            assert getattr(again, name).shape == tuple(s if isinstance(s, int) else 0 for s in column.shape)


def test_nan_comes_back():
    result = Detections.of([[0, 0, 1, np.nan]], [np.nan], [0])
    again = through_json(result)
    assert np.isnan(again.confidence).all()
    assert np.isnan(again.xyxy).tolist() == [[False, False, False, True]]


def test_what_is_not_there_is_left_out():
    assert Detections.empty().to_builtins().keys() == {
        "type",
        "source",
        "source_row",
        "xyxy",
        "confidence",
        "class_id",
    }


def test_a_null_column_is_one_that_is_not_there():
    plain = {**Detections.of([[0, 0, 1, 1]], [1], [0]).to_builtins(), "track_id": None}
    assert from_builtins(plain).track_id is None


def test_types_of_plugins_are_known_where_given():
    class Plates(Keypoints):
        type = "plates"

    plain = Plates(
        points=np.zeros((1, 2, 2), np.float32), confidence=np.zeros((1, 2), np.float32)
    ).to_builtins()
    assert isinstance(from_builtins(plain, (*RESULT_TYPES, Plates)), Plates)
    with pytest.raises(ResultError, match=r"type 'plates' is not known(.|\n)*detections, classification"):
        from_builtins(plain)


GOOD = {"type": "classification", "class_id": [[1, 2]], "confidence": [[0.5, 0.25]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": None}, "result type None is not known"),
        ({"type": []}, r"result type \[\] is not known"),
        ({"colour": [1]}, "classification has no column 'colour'"),
        ({"confidence": None}, "classification lacks the column 'confidence'"),
        ({"confidence": [[0.5]]}, r"classification.confidence must be \(1, 2\) float32, not \(1, 1\)"),
        ({"confidence": [[0.5], [0.25, 0.1]]}, "classification.confidence is not a column of float32"),
        ({"confidence": [["0.5", "0.25"]]}, "classification.confidence is not a column of float32"),
        ({"confidence": [[{}, 1]]}, "classification.confidence is not a column of float32"),
        ({"confidence": 0.5}, r"classification.confidence must be \(1, 2\) float32"),
        ({"class_id": [[1.5, 2]]}, "classification.class_id is not a column of int32: it holds float64"),
        ({"class_id": [[True, False]]}, "classification.class_id is not a column of int32: it holds bool"),
        ({"class_id": [[1, 2**31]]}, "classification.class_id is not a column of int32"),
        ({"source_row": [0, 0]}, r"classification.source_row must be \(1\) int32, not \(2,\)"),
        ({"source_row": ["a"]}, "classification.source_row is not a column of int32"),
        ({"labels": "person"}, "classification.labels must be a list of strings"),
        ({"labels": [1]}, "classification.labels must be a list of strings"),
        ({"source": 7}, "classification.source must be a string"),
    ],
)
def test_what_is_not_a_result_is_refused_by_name(change, message):
    assert isinstance(from_builtins(GOOD), Classification)
    with pytest.raises(ResultError, match=message):
        from_builtins({**GOOD, **change})


def test_masks_are_packed():
    masks = np.zeros((2, 28, 28), np.uint8)
    masks[0, 4:20, 6:] = 255
    plain = Detections.of([[0, 0, 1, 1], [1, 1, 2, 2]], [1, 1], [0, 0], masks=masks).to_builtins()["masks"]
    assert plain["shape"] == [2, 28, 28]
    assert len(plain["zlib"]) < 100
    unpacked = np.frombuffer(zlib.decompress(base64.b64decode(plain["zlib"])), np.uint8).reshape(
        plain["shape"]
    )
    np.testing.assert_array_equal(unpacked, masks)


def test_masks_may_be_lists_too():
    plain = Detections.of([[0, 0, 1, 1]], [1], [0]).to_builtins()
    again = from_builtins({**plain, "masks": [[[0, 255], [128, 1]]]})
    assert again.masks.tolist() == [[[0, 255], [128, 1]]]


@pytest.mark.parametrize(
    ("masks", "reason"),
    [
        ({}, "needs a shape"),
        ({"shape": [1, 2, 2]}, "needs a shape, and zlib"),
        ({"shape": [1, -2, 2], "zlib": ""}, "needs a shape"),
        ({"shape": [1, 2.0, 2], "zlib": ""}, "needs a shape"),
        ({"shape": [1, True, 2], "zlib": ""}, "needs a shape"),
        ({"shape": "122", "zlib": ""}, "needs a shape"),
        ({"shape": [1, 2, 2], "zlib": "é"}, "is not compressed bytes in base64"),
        ({"shape": [1, 2, 2], "zlib": "AAAA"}, "is not compressed bytes in base64"),
        ({"shape": [1, 2, 2], "zlib": ""}, "does not hold the 4 bytes"),
        (
            {"shape": [1, 2, 2], "zlib": base64.b64encode(zlib.compress(b"123")).decode()},
            "does not hold the 4",
        ),
        (
            {"shape": [1, 2, 2], "zlib": base64.b64encode(zlib.compress(b"12345")).decode()},
            "does not hold the 4",
        ),
        (
            {"shape": [1, 2, 2], "zlib": base64.b64encode(zlib.compress(b"1234")[:-6]).decode()},
            "does not hold",
        ),
        ({"shape": [1, 2**15, 2**15], "zlib": ""}, "of shape .* is larger than 256 MiB"),
        ({"shape": [2, 2], "zlib": base64.b64encode(zlib.compress(b"1234")).decode()}, "must be"),
        ({"shape": [2, 2, 1], "zlib": base64.b64encode(zlib.compress(b"1234")).decode()}, "must be"),
    ],
)
def test_broken_masks_are_refused(masks, reason):
    plain = Detections.of([[0, 0, 1, 1]], [1], [0]).to_builtins()
    with pytest.raises(ResultError, match=f"detections.masks {reason}" if reason != "must be" else reason):
        from_builtins({**plain, "masks": masks})


def test_no_more_is_unpacked_than_the_shape_needs():
    """A kilobyte of text that would unpack to a hundred megabytes."""
    bomb = base64.b64encode(zlib.compress(bytes(10**8))).decode()
    plain = Detections.of([[0, 0, 1, 1]], [1], [0]).to_builtins()
    tracemalloc.start()
    try:
        with pytest.raises(ResultError, match="does not hold the 4 bytes"):
            from_builtins({**plain, "masks": {"shape": [1, 2, 2], "zlib": bomb}})
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
