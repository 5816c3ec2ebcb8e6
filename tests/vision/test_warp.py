from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.vision.geometry import compose, scale_translate
from vedette.vision.warp import warp

few = settings(max_examples=60, deadline=None)


def slow_warp(image, affine, size_wh, border):
    """Pixel by pixel, in float64."""
    h, w = image.shape[:2]
    out = np.empty((size_wh[1], size_wh[0], *image.shape[2:]))
    border = np.array(border, float) if image.ndim == 3 else float(border[0])

    def at(x, y):
        return image[y, x].astype(float) if 0 <= x < w and 0 <= y < h else border

    for v in range(size_wh[1]):
        for u in range(size_wh[0]):
            x, y = affine @ (u + 0.5, v + 0.5, 1) - 0.5
            left, top = floor(x), floor(y)
            dx, dy = x - left, y - top
            upper = (1 - dx) * at(left, top) + dx * at(left + 1, top)
            lower = (1 - dx) * at(left, top + 1) + dx * at(left + 1, top + 1)
            out[v, u] = (1 - dy) * upper + dy * lower
    return out


@st.composite
def cases(draw):
    w, h = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels = draw(st.sampled_from([(), (3,)]))
    image = rng.integers(0, 256, (h, w, *channels), np.uint8)
    angle, factor = draw(st.floats(-4, 4)), draw(st.floats(0.2, 3))
    mirror = draw(st.sampled_from([1, -1]))
    turn = (
        factor
        * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        @ np.diag([mirror, 1])
    )
    size_wh = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    centre = np.array([w / 2 + draw(st.floats(-8, 8)), h / 2 + draw(st.floats(-8, 8))])
    affine = np.c_[turn, centre - turn @ np.array(size_wh) / 2]
    border = tuple(rng.integers(0, 256, channels or (1,)).tolist())
    return image, affine, size_wh, border


@few
@given(cases(), st.sampled_from(["numpy", "opencv"]))
def test_within_one_level_of_the_definition(engine, case, name):
    image, affine, size_wh, border = case
    expected = slow_warp(image, affine, size_wh, border)
    with engine(name):
        warped = warp(image, affine, size_wh, border)
    assert warped.shape == expected.shape
    assert warped.dtype == np.uint8
    assert np.abs(warped - np.rint(expected)).max() <= 1
    if name == "numpy":
        assert np.abs(warped - expected).max() <= 0.501


@pytest.mark.parametrize("name", ["numpy", "opencv"])
def test_whole_pixel_moves_are_exact(engine, name):
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    quarter = np.array([[0.0, 1, 0], [-1, 0, 7]])  # the result's x runs up the image
    with engine(name):
        np.testing.assert_array_equal(warp(image, scale_translate(1, 1), (9, 7), (0, 0, 0)), image)
        np.testing.assert_array_equal(
            warp(image, scale_translate(-1, 1, 9), (9, 7), (0, 0, 0)), image[:, ::-1]
        )
        np.testing.assert_array_equal(warp(image, quarter, (7, 9), (0, 0, 0)), np.rot90(image, -1))
        shifted = warp(image, compose(scale_translate(1, 1), scale_translate(1, 1, 3, -2)), (9, 7), (5, 6, 7))
    np.testing.assert_array_equal(shifted[2:, :-3], image[:-2, 3:])
    assert (shifted[:2] == (5, 6, 7)).all()
    assert (shifted[:, -3:] == (5, 6, 7)).all()


@pytest.mark.parametrize("name", ["numpy", "opencv"])
def test_far_outside_is_border(engine, name):
    image = np.full((5, 5), 200, np.uint8)
    with engine(name):
        assert (warp(image, scale_translate(1, 1, 1e9, -1e9), (4, 4), (17,)) == 17).all()
