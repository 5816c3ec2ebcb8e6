import msgspec
import numpy as np
import pytest

from vedette.errors import ResultError
from vedette_cnn.decoders import embedding

VECTORS = np.array([[3.0, 4.0, 0], [0, -2, 0]], np.float32)


def decode(output, **params):
    params = msgspec.convert(params, embedding.Params)
    output = np.asarray(output)
    affines = np.zeros((2, 2, 3))
    return embedding.SPEC.build(())({"y": output}, affines, (64, 64), params)


@pytest.mark.parametrize("trailing", [(), (1, 1)])
def test_vectors_are_divided_by_their_length(trailing):
    found = decode(VECTORS.reshape(2, 3, *trailing))
    np.testing.assert_allclose(found.vector, [[0.6, 0.8, 0], [0, -1, 0]], rtol=1e-6)
    assert found.source_row.tolist() == [0, 1]


def test_neither_tiny_nor_huge_vectors_lose_their_direction():
    found = decode(np.array([[3e-38, 4e-38], [3e38, 0]], np.float32))
    np.testing.assert_allclose(np.linalg.norm(found.vector, axis=1), 1, rtol=1e-4)


def test_the_output_is_not_changed_and_not_kept():
    given = VECTORS.copy()
    found = decode(given)
    np.testing.assert_array_equal(given, VECTORS)
    assert not np.shares_memory(found.vector, given)
    unit = np.eye(3, dtype=np.float32)[:2]
    assert not np.shares_memory(decode(unit, normalise=False).vector, unit)


def test_a_graph_that_normalises_is_taken_at_its_word():
    unit = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float16)
    np.testing.assert_array_equal(decode(unit, normalise=False).vector, unit.astype(np.float32))
    with pytest.raises(ResultError, match=r"length 5, not 1(.|\n)*normalise = true"):
        decode(VECTORS, normalise=False)


def test_a_vector_without_direction_is_refused():
    with pytest.raises(ResultError, match="zero"):
        decode(VECTORS * [[1], [0]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(value):
    given = VECTORS.copy()
    given[1, 1] = value
    with pytest.raises(ResultError, match="not finite"):
        decode(given)


@pytest.mark.parametrize(
    "output",
    [np.zeros((2, 1), "f4"), np.zeros((3, 8), "f4"), np.zeros((2, 8, 2), "f4"), np.zeros((2, 8), "u1")],
)
def test_other_outputs_are_refused(output):
    with pytest.raises(ResultError, match=r"must be \(2, d\) of floats"):
        decode(output)
