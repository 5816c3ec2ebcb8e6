"""Arrays in files: as numpy writes them, damaged, hostile, and read by many threads at once."""

import contextlib
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from vedette.npy import read_npy


def written(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version, allow_pickle=True)
    return file.getvalue()


PLAIN = scalar_dtypes().filter(lambda dtype: dtype.kind not in "mM")


@given(arrays(PLAIN, array_shapes(min_dims=0, max_dims=4, min_side=0)), st.booleans())
def test_reads_what_numpy_writes(array, fortran):
    array = np.asfortranarray(array) if fortran else array
    found = read_npy(io.BytesIO(written(array)))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(version):
    assert read_npy(io.BytesIO(written(np.arange(3), version))).tolist() == [0, 1, 2]


@given(st.data())
def test_damage_is_a_value_error_or_another_array(data):
    raw = bytearray(written(np.arange(6, dtype=np.float32).reshape(2, 3)))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    with contextlib.suppress(ValueError):
        read_npy(io.BytesIO(raw[:cut]))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}], dtype=object), "objects"),
        (np.zeros(1, [("a", "<f4"), ("b", "<i2")]), "plain array"),
        (np.zeros(1, "M8[ns]"), "plain array"),
    ],
)
def test_what_is_not_read(array, message):
    with pytest.raises(ValueError, match=message):
        read_npy(io.BytesIO(written(array)))


def test_a_shape_that_the_file_does_not_hold():
    raw = written(np.zeros((7, 1), np.float64)).replace(b"(7, 1)", b"(7,99)")
    with pytest.raises(ValueError, match="header"):
        read_npy(io.BytesIO(raw))


def test_many_threads():
    raw = written(np.arange(4))

    def often(_):
        return all(read_npy(io.BytesIO(raw)).tolist() == [0, 1, 2, 3] for _ in range(500))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(often, range(8)))
