import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.vision.colour import convert, luma_to_gray, ycbcr_to_colour

few = settings(max_examples=60, deadline=None)
LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
engines = st.sampled_from(["numpy", "opencv"])
matrices = st.sampled_from(list(LUMA))
ranges = st.sampled_from(["limited", "full"])
orders = st.sampled_from(["rgb", "bgr"])
seeds = st.integers(0, 2**32)


def to_rgb(y, cb, cr, matrix, range_):
    """From the definition of the colour differences, in float64 and not clipped."""
    kr, kb = LUMA[matrix]
    if range_ == "limited":
        y, cb, cr = (y - 16.0) / 219, (cb - 128.0) / 224, (cr - 128.0) / 224
    else:
        y, cb, cr = y / 255.0, (cb - 128.0) / 255, (cr - 128.0) / 255
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], axis=-1) * 255


def to_ycbcr(rgb, matrix, range_):
    kr, kb = LUMA[matrix]
    red, green, blue = np.moveaxis(rgb / 255.0, -1, 0)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    if range_ == "limited":
        return 16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr
    return 255 * y, 128 + 255 * cb, 128 + 255 * cr


@few
@given(st.integers(1, 30), st.integers(1, 30), seeds, matrices, ranges, orders, engines)
def test_any_planes_within_one_level_of_the_definition(engine, w, h, seed, matrix, range_, order, name):
    planes = np.random.default_rng(seed).integers(0, 256, (3, h, w), np.uint8)
    exact = np.clip(to_rgb(*planes, matrix, range_), 0, 255)
    with engine(name):
        colour = ycbcr_to_colour(*planes, matrix, range_, order)
    assert colour.dtype == np.uint8
    assert colour.shape == (h, w, 3)
    rgb = colour if order == "rgb" else colour[..., ::-1]
    assert np.abs(rgb - exact).max() <= (0.501 if name == "numpy" else 1.5)


@few
@given(seeds, matrices, ranges, engines)
def test_colours_come_back(engine, seed, matrix, range_, name):
    """Rounding Y'CbCr to bytes costs at most half a level each, times the matrix."""
    rgb = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    planes = [np.rint(plane).clip(0, 255).astype(np.uint8) for plane in to_ycbcr(rgb, matrix, range_)]
    with engine(name):
        assert np.abs(ycbcr_to_colour(*planes, matrix, range_, "rgb") - rgb).max() <= 4


@pytest.mark.parametrize("name", ["numpy", "opencv"])
@pytest.mark.parametrize(
    ("matrix", "ycbcr", "rgb"),
    [
        ("bt601", (81, 90, 240), (255, 0, 0)),
        ("bt601", (145, 54, 34), (0, 255, 0)),
        ("bt601", (41, 240, 110), (0, 0, 255)),
        ("bt709", (63, 102, 240), (255, 0, 0)),
        ("bt709", (173, 42, 26), (0, 255, 0)),
        ("bt709", (32, 240, 118), (0, 0, 255)),
        ("bt2020", (74, 97, 240), (255, 0, 0)),
        ("bt2020", (16, 128, 128), (0, 0, 0)),
        ("bt709", (235, 128, 128), (255, 255, 255)),
        ("bt709", (255, 128, 128), (255, 255, 255)),
    ],
)
def test_colour_bars(engine, name, matrix, ycbcr, rgb):
    """The published 8-bit codes of full-scale primaries."""
    planes = [np.array([[value]], np.uint8) for value in ycbcr]
    with engine(name):
        assert np.abs(ycbcr_to_colour(*planes, matrix, "limited", "rgb").ravel() - np.array(rgb)).max() <= 2


def test_luma_to_gray():
    y = np.arange(256, dtype=np.uint8)[None]
    assert luma_to_gray(y, "full") is y
    gray = luma_to_gray(y, "limited")
    np.testing.assert_array_equal(gray[0], np.rint(np.clip((np.arange(256) - 16) / 219 * 255, 0, 255)))


@few
@given(st.integers(1, 30), st.integers(1, 30), seeds, orders, engines)
def test_packed_formats(engine, w, h, seed, order, name):
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    rgb = image if order == "rgb" else image[..., ::-1]
    with engine(name):
        gray = convert(image, order, "gray8")
        assert convert(image, order, order) is image
        np.testing.assert_array_equal(
            convert(image, order, "bgr" if order == "rgb" else "rgb"), image[..., ::-1]
        )
        np.testing.assert_array_equal(convert(gray, "gray8", order), np.stack([gray] * 3, axis=-1))
        wide = convert(image, order, "gray16")
        np.testing.assert_array_equal(convert(wide, "gray16", order), np.stack([gray] * 3, axis=-1))
    assert np.abs(gray - rgb @ (0.299, 0.587, 0.114)).max() <= (0.501 if name == "numpy" else 1.5)
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide, gray * 257.0)


def test_sixteen_bits_are_rounded_to_eight():
    levels = np.arange(65536, dtype=np.uint16)[None]
    np.testing.assert_array_equal(convert(levels, "gray16", "gray8")[0], np.rint(np.arange(65536) / 257))
