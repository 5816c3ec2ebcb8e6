import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.frame import Packed, Planar
from vedette.vision import reference
from vedette.vision.colour import convert, luma_to_gray, ycbcr_to_colour
from vedette.vision.views import render

few = settings(max_examples=60, deadline=None)
FORMATS = ["rgb", "bgr", "gray8", "gray16"]
engines = st.sampled_from(["numpy", "opencv"])
formats = st.sampled_from(FORMATS)
orientations = st.sampled_from([0, 90, 180, 270])
kernels = st.sampled_from(["nearest", "bilinear", "bilinear_antialias", "area"])
sides = st.integers(1, 30)


@st.composite
def packed(draw):
    format = draw(formats)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(sides), draw(sides), 3)[: 3 if format in ("rgb", "bgr") else 2]
    dtype = np.uint16 if format == "gray16" else np.uint8
    return Packed(format, rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True))


@st.composite
def planar(draw, format=None):
    format = format or draw(st.sampled_from(["nv12", "i420", "yuyv"]))
    w, h = draw(sides), draw(sides)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    half = ((h + 1) // 2, (w + 1) // 2)
    shapes = {"nv12": [(h, w), (*half, 2)], "i420": [(h, w), half, half], "yuyv": [(h, w + w % 2, 2)]}[format]
    planes = tuple(rng.integers(0, 256, shape, np.uint8) for shape in shapes)
    return Planar(
        format,
        planes,
        draw(st.sampled_from(["bt601", "bt709", "bt2020"])),
        draw(st.sampled_from(["limited", "full"])),
    )


@st.composite
def rects(draw, width, height):
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))


def components(image):
    """Y, Cb and Cr, each at full size: every chroma sample repeated over the pixels it belongs to."""
    w, h = image.size_wh
    if image.format == "yuyv":
        y, chroma, repeat = (
            image.planes[0][..., 0],
            [image.planes[0][:, 0::2, 1], image.planes[0][:, 1::2, 1]],
            (1, 2),
        )
    elif image.format == "nv12":
        y, chroma, repeat = image.planes[0], [image.planes[1][..., 0], image.planes[1][..., 1]], (2, 2)
    else:
        y, *chroma, repeat = *image.planes, (2, 2)
    return y, *(plane.repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)[:h, :w] for plane in chroma)


def crop(image, rect):
    x, y, w, h = rect
    return image[y : y + h, x : x + w]


@few
@given(packed(), formats, orientations, st.data(), engines)
def test_crop_and_turn_packed(engine, image, format, orientation, data, name):
    upright = np.rot90(image.pixels, -orientation // 90)
    rect = data.draw(rects(*upright.shape[1::-1]))
    with engine(name):
        view = render(image, orientation, format, rect[2:], "bilinear", rect)
        np.testing.assert_array_equal(
            view, convert(np.ascontiguousarray(crop(upright, rect)), image.format, format)
        )


@few
@given(planar(), st.sampled_from(FORMATS[:3]), orientations, st.data(), engines)
def test_crop_and_turn_planar(engine, image, format, orientation, data, name):
    """By ``nearest`` each pixel has the chroma sample it belongs to, also where the crop begins between two."""
    stored = components(image)
    y, cb, cr = (np.ascontiguousarray(np.rot90(plane, -orientation // 90)) for plane in stored)
    rect = data.draw(rects(*y.shape[::-1]))
    y, cb, cr = (crop(plane, rect) for plane in (y, cb, cr))
    with engine(name):
        view = render(image, orientation, format, rect[2:], "nearest", rect)
        if format == "gray8":
            expected = luma_to_gray(y, image.range)
        else:
            expected = ycbcr_to_colour(y, cb, cr, image.matrix, image.range, format)
    np.testing.assert_array_equal(view, expected)


@few
@given(packed(), orientations, kernels, sides, sides, st.data(), engines)
def test_resize_packed(engine, image, orientation, kernel, width, height, data, name):
    upright = np.rot90(image.pixels, -orientation // 90)
    rect = data.draw(rects(*upright.shape[1::-1]))
    if kernel == "nearest":
        orientation, upright, rect = (
            0,
            image.pixels,
            (0, 0, *image.size_wh),
        )  # its ties depend on the orientation
    expected = reference.resize(crop(upright, rect), (width, height), kernel)
    with engine(name):
        view = render(image, orientation, image.format, (width, height), kernel, rect)
    assert view.shape == expected.shape
    assert np.abs(view.astype(int) - expected).max() <= 1


@few
@given(planar(), kernels, sides, sides, st.data())
def test_opencv_resizes_planes_within_five_levels(engine, image, kernel, width, height, data):
    rect = data.draw(rects(*image.size_wh))
    with engine("numpy"):
        slow = render(image, 0, "bgr", (width, height), kernel, rect)
    with engine("opencv"):
        fast = render(image, 0, "bgr", (width, height), kernel, rect)
    assert np.abs(slow.astype(int) - fast).max() <= 5


@few
@given(planar("yuyv"), sides, sides, st.data(), engines)
def test_area_of_planes_is_the_mean_of_the_converted_picture(engine, image, width, height, data, name):
    """Resizing and conversion may change places where nothing is clipped: then chroma lies where it should."""
    image = Planar(image.format, tuple(plane // 4 + 96 for plane in image.planes), image.matrix, image.range)
    rect = data.draw(rects(*image.size_wh))
    width, height = min(width, rect[2]), min(height, rect[3])
    y, cb, cr = (crop(plane, rect) for plane in components(image))
    full = ycbcr_to_colour(y, cb, cr, image.matrix, image.range, "rgb")
    with engine(name):
        view = render(image, 0, "rgb", (width, height), "area", rect)
    assert np.abs(view.astype(int) - reference.resize(full, (width, height), "area")).max() <= 5


@few
@given(planar("i420"), sides, sides, kernels, st.data(), engines)
def test_nv12_is_i420(engine, image, width, height, kernel, data, name):
    y, cb, cr = image.planes
    woven = Planar("nv12", (y, np.stack([cb, cr], axis=-1)), image.matrix, image.range)
    rect = data.draw(rects(*image.size_wh))
    with engine(name):
        one, other = (render(i, 0, "rgb", (width, height), kernel, rect) for i in (image, woven))
    assert np.abs(one.astype(int) - other).max() <= (0 if name == "numpy" else 5)


@few
@given(st.one_of(packed(), planar()), formats, orientations, sides, sides, kernels, engines)
def test_every_image_gives_every_format(engine, image, format, orientation, width, height, kernel, name):
    upright_wh = image.size_wh if orientation in (0, 180) else image.size_wh[::-1]
    with engine(name):
        view = render(image, orientation, format, (width, height), kernel, (0, 0, *upright_wh))
    assert view.dtype == (np.uint16 if format == "gray16" else np.uint8)
    assert view.shape == ((height, width, 3) if format in ("rgb", "bgr") else (height, width))


def test_a_view_is_shared_and_read_only_and_leaves_the_image_alone(make_frame):
    pixels = np.zeros((4, 6, 3), np.uint8)
    frame = make_frame(Packed("bgr", pixels))
    whole, small = frame.view(), frame.view("rgb", (3, 2))
    assert np.shares_memory(whole, pixels)
    assert frame.view("rgb", (3, 2)) is small
    assert frame.view("rgb", (3, 2), "area") is not small
    assert not whole.flags.writeable
    assert not small.flags.writeable
    assert pixels.flags.writeable


def test_a_turned_frame_has_upright_size(make_frame):
    frame = make_frame(np.zeros((4, 6), np.uint8), 90)
    assert frame.size_wh == (4, 6)
    assert frame.view("gray8").shape == (6, 4)
    assert frame.view("gray8", rect=(1, 2, 3, 4)).shape == (4, 3)


@pytest.mark.parametrize("rect", [(0, 0, 0, 1), (0, 0, 7, 1), (-1, 0, 2, 1), (0, 0, 1, 5), (6, 0, 1, 1)])
def test_a_rect_outside_is_refused(make_frame, rect):
    with pytest.raises(ValueError, match=r"inside the frame of \(6, 4\)"):
        make_frame(np.zeros((4, 6), np.uint8)).view("gray8", rect=rect)


def test_a_size_must_be_positive(make_frame):
    with pytest.raises(ValueError, match=r"size_wh must be positive, not \(0, 3\)"):
        make_frame(np.zeros((4, 6), np.uint8)).view("gray8", (0, 3))
