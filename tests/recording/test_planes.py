"""Pixels are kept bit for bit, in every format."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vedette.errors import SourceError
from vedette.frame import Packed, Planar
from vedette.recording.format import PlainImage, Span
from vedette.recording.planes import compress, describe, planes_of, restore

NOWHERE = Span(0, 0, 0)
FORMATS = ["bgr", "rgb", "gray8", "gray16", "nv12", "i420", "yuyv"]


def there_and_back(image):
    return restore(describe(image, NOWHERE), compress(image))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size_wh", [(38, 21), (2, 1), (640, 3)])
def test_every_format_comes_back_bit_for_bit(image, format, size_wh):
    before = image(format, size_wh)
    after = there_and_back(before)
    assert type(after) is type(before)
    assert after.format == format
    if isinstance(before, Planar):
        assert (after.matrix, after.range) == ("bt709", "full")
    for mine, theirs in zip(planes_of(before), planes_of(after), strict=True):
        assert theirs.dtype == mine.dtype
        np.testing.assert_array_equal(mine, theirs)


@given(arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_any_sixteen_bits(pixels):
    np.testing.assert_array_equal(there_and_back(Packed("gray16", pixels)).pixels, pixels)


def test_a_view_with_padded_lines_is_kept_without_the_padding():
    padded = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
    np.testing.assert_array_equal(there_and_back(Packed("gray8", padded[::2, :7])).pixels, padded[::2, :7])


def test_smooth_pictures_become_small():
    ramp = np.add.outer(np.arange(480), np.arange(640)).astype(np.uint8)
    assert len(compress(Packed("gray8", ramp))) < ramp.nbytes / 50


@given(st.binary(max_size=40), st.tuples(st.integers(-3, 5), st.integers(-3, 5)))
def test_damaged_bytes_are_refused(data, shape):
    with pytest.raises(SourceError, match="gray8"):
        restore(PlainImage(format="gray8", shapes=(shape,), at=NOWHERE), data)


def test_bytes_that_claim_more_than_their_size_are_refused():
    bomb = compress(Packed("gray8", np.zeros((4000, 4000), np.uint8)))
    with pytest.raises(SourceError, match="not 16 bytes"):
        restore(PlainImage(format="gray8", shapes=((4, 4),), at=NOWHERE), bomb)
