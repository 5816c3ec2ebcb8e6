from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.vision import reference
from vedette.vision.resample import resize

few = settings(max_examples=60, deadline=None)

KERNELS = ["nearest", "bilinear", "bilinear_antialias", "area"]
sides = st.integers(1, 40)
kernels = st.sampled_from(KERNELS)
engines = st.sampled_from(["numpy", "opencv"])


@st.composite
def images(draw):
    w, h = draw(sides), draw(sides)
    channels, dtype = draw(
        st.sampled_from([((), np.uint8), ((2,), np.uint8), ((3,), np.uint8), ((), np.uint16)])
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    top = np.iinfo(dtype).max
    if draw(st.booleans()):  # black and white: the steepest there is
        return (rng.integers(0, 2, (h, w, *channels)) * top).astype(dtype)
    return rng.integers(0, top, (h, w, *channels), dtype, endpoint=True)


@few
@given(images(), sides, sides, kernels)
def test_numpy_is_the_formula(engine, image, width, height, kernel):
    """Off by no more than rounding to an integer, and what float32 adds to it."""
    rows = reference.weights(kernel, image.shape[0], height)
    columns = reference.weights(kernel, image.shape[1], width)
    exact = np.einsum("ah,hw...,bw->ab...", rows, image.astype(float), columns)
    with engine("numpy"):
        resized = resize(image, (width, height), kernel)
    assert resized.dtype == image.dtype
    assert resized.shape == exact.shape
    assert np.abs(resized - exact).max() <= 0.5 + 1e-6 * np.iinfo(image.dtype).max


@few
@given(images(), sides, sides, kernels)
def test_opencv_is_within_one_level(engine, image, width, height, kernel):
    expected = reference.resize(image, (width, height), kernel)
    with engine("opencv"):
        resized = resize(image, (width, height), kernel)
    assert resized.dtype == image.dtype
    difference = np.abs(resized.astype(int) - expected)
    assert difference.max() <= (0 if kernel == "nearest" else 1)


@few
@given(images(), sides, sides)
def test_bilinear_is_what_opencv_calls_linear(engine, image, width, height):
    cv2 = pytest.importorskip("cv2")
    theirs = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).reshape(
        height, width, *image.shape[2:]
    )
    with engine("numpy"):
        ours = resize(image, (width, height), "bilinear")
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@few
@given(images(), sides, sides)
def test_bilinear_antialias_is_what_pillow_calls_bilinear(engine, image, width, height):
    pillow = pytest.importorskip("PIL.Image")
    if image.dtype != np.uint8 or image.shape[2:] == (2,):
        return
    theirs = np.asarray(pillow.fromarray(image).resize((width, height), pillow.Resampling.BILINEAR))
    with engine("numpy"):
        ours = resize(image, (width, height), "bilinear_antialias")
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("name", ["numpy", "opencv"])
@pytest.mark.parametrize(
    ("kernel", "row", "resized"),
    [
        ("nearest", [10, 20, 30, 40], [20, 40]),
        ("nearest", [10, 20], [10, 10, 20, 20]),
        ("bilinear", [0, 100], [0, 25, 75, 100]),
        ("bilinear", [0, 90, 0, 0, 90, 0], [90, 90]),
        ("bilinear_antialias", [0, 90, 0, 0, 90, 0], [34, 34]),
        ("bilinear_antialias", [0, 100], [0, 25, 75, 100]),
        ("area", [0, 90, 180], [30, 150]),
        ("area", [0, 90], [0, 45, 90]),
    ],
)
def test_worked_examples(engine, name, kernel, row, resized):
    with engine(name):
        for axis in (0, 1):
            image = np.array([row], np.uint8).swapaxes(0, axis)
            size_wh = (1, len(resized)) if axis else (len(resized), 1)
            assert resize(image, size_wh, kernel).ravel().tolist() == resized


@few
@given(images(), kernels, engines)
def test_same_size_changes_nothing(engine, image, kernel, name):
    with engine(name):
        assert resize(image, (image.shape[1], image.shape[0]), kernel) is image


@few
@given(images(), sides, sides, kernels, engines)
def test_one_colour_stays(engine, image, width, height, kernel, name):
    flat = np.full_like(image, image.flat[0])
    with engine(name):
        assert (resize(flat, (width, height), kernel) == image.flat[0]).all()


@few
@given(images(), sides, sides, kernels, engines)
def test_a_cut_out_is_like_a_copy(engine, image, width, height, kernel, name):
    h, w = image.shape[:2]
    around = np.full((h + 2, w + 3, *image.shape[2:]), 99, image.dtype)
    cut = around[1:-1, 2:-1]
    cut[...] = image
    with engine(name):
        from_cut, from_copy = resize(cut, (width, height), kernel), resize(image, (width, height), kernel)
    np.testing.assert_array_equal(from_cut, from_copy)


def windowed(row, n, kernel, start, extent):
    """One output after the other, by the table in the module's docstring."""
    scale = extent / n
    result = []
    for i in range(n):
        centre = start + (i + 0.5) * extent / n
        weights = []
        for j in range(len(row)):
            distance = abs(j + 0.5 - centre)
            weights.append(
                {
                    "nearest": float(j == floor(round(centre, 9))),
                    "bilinear": max(0, 1 - distance),
                    "bilinear_antialias": max(0, 1 - distance / max(scale, 1)),
                    "area": max(0, min(j + 1, centre + scale / 2) - max(j, centre - scale / 2)),
                }[kernel]
            )
        result.append(np.dot(weights, row) / sum(weights))
    return result


@few
@given(st.lists(st.integers(0, 255), min_size=1, max_size=30), sides, kernels, st.data())
def test_a_window_need_not_lie_on_whole_pixels(engine, row, n, kernel, data):
    half_pixels = st.integers(0, 2 * len(row) - 1)
    start = data.draw(half_pixels) / 2
    extent = data.draw(st.integers(1, int(2 * (len(row) - start)))) / 2
    expected = windowed(row, n, kernel, start, extent)
    image = np.array([row], np.uint8)
    with engine("numpy"):
        across = resize(image, (n, 1), kernel, (start, 0, extent, 1))
        down = resize(image.T, (1, n), kernel, (0, start, 1, extent))
    np.testing.assert_allclose(across[0], expected, atol=0.501)
    np.testing.assert_allclose(down[:, 0], expected, atol=0.501)
