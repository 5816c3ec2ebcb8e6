import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import BackendError, PipelineError
from vedette.frame import Packed, Planar
from vedette.specs import Roi, TensorInfo
from vedette.vision import reference
from vedette.vision.geometry import apply, compose, scale_translate
from vedette.vision.preprocess import IMAGE, plan_geometry
from vedette.vision.spec import InputSpec

few = settings(max_examples=60, deadline=None)
engines = st.sampled_from(["numpy", "opencv"])
sides = st.integers(1, 24)
seeds = st.integers(0, 2**32)


@st.composite
def specs(draw, **fixed):
    resize = fixed.get("resize") or draw(st.sampled_from(["letterbox", "stretch", "crop"]))
    colour = draw(st.sampled_from(["rgb", "bgr", "gray"]))
    dtype = fixed.get("dtype") or draw(st.sampled_from(["float32", "uint8"]))
    channels = 1 if colour == "gray" else 3
    normalise = {}
    if dtype == "float32" and draw(st.booleans()):
        value = st.tuples(*[st.sampled_from([0.0, 17.5, 123.675])] * channels)
        normalise = {
            "mean": draw(value),
            "scale": draw(st.tuples(*[st.sampled_from([1.0, 58.4, -2.0])] * channels)),
        }
    return InputSpec(
        size_wh=(draw(sides), draw(sides)),
        resize=resize,
        anchor=draw(st.sampled_from(["center", "top_left"])),
        crop_fraction=draw(st.sampled_from([1.0, 0.875, 0.3])) if resize == "crop" else 1.0,
        kernel=draw(st.sampled_from(["nearest", "bilinear", "bilinear_antialias", "area"])),
        colour=colour,
        layout=draw(st.sampled_from(["nchw", "nhwc"])),
        dtype=dtype,
        pad=draw(st.tuples(*[st.integers(0, 255)] * channels)),
        **normalise,
    )


def random_image(seed, w, h, spec):
    shape = (h, w) if spec.colour == "gray" else (h, w, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def packed(image, spec):
    return Packed("gray8" if spec.colour == "gray" else spec.colour, image)


def fill(spec, frame, roi, fused=False):
    """One row as the runtime would make it, in an array full of rubbish, and its map."""
    fed = spec.pixel_half() if fused else spec
    out = np.full((2, *fed.row_shape), 77, fed.dtype)
    writer = IMAGE.build(spec, TensorInfo(name="images", dtype=fed.dtype, shape=(None, *fed.row_shape)))
    affine = writer.write(frame, roi, out[1])
    assert affine.shape == (2, 3)
    assert affine.dtype == np.float64
    assert (out[0] == 77).all()
    return out[1], affine


def tolerance(spec):
    """One level of a pixel, in units of the tensor, per channel."""
    level = 1 / np.abs(np.array(spec.scale))
    return level[:, None, None] if spec.layout == "nchw" else level


@settings(max_examples=200, deadline=None)
@given(specs(), sides, sides, seeds, engines)
def test_whole_frame_is_the_reference(make_frame, engine, spec, w, h, seed, name):
    image = random_image(seed, w, h, spec)
    with engine(name):
        row, _ = fill(spec, make_frame(packed(image, spec)), Roi.whole((w, h)))
    expected = reference.tensor(spec, image)
    assert (np.abs(row.astype(np.float64) - expected) <= tolerance(spec) * 1.0001).all()


@few
@given(specs(dtype="float32"), sides, sides, seeds, engines)
def test_the_fused_half_normalised_is_the_tensor(make_frame, engine, spec, w, h, seed, name):
    frame = make_frame(packed(random_image(seed, w, h, spec), spec))
    with engine(name):
        row, affine = fill(spec, frame, Roi.whole((w, h)))
        pixels, same_affine = fill(spec, frame, Roi.whole((w, h)), fused=True)
    mean, scale = np.array([spec.mean, spec.scale], np.float32)
    normalised = (pixels.astype(np.float32) - mean) / scale
    np.testing.assert_array_equal(row, normalised.transpose(2, 0, 1) if spec.layout == "nchw" else normalised)
    np.testing.assert_array_equal(affine, same_affine)


@few
@given(specs(), sides, sides, seeds, st.data(), engines)
def test_a_box_is_the_padded_crop(make_frame, engine, spec, w, h, seed, data, name):
    """Also where it reaches over the edge, or lies outside altogether."""
    image = random_image(seed, w, h, spec)
    x, y = data.draw(st.integers(-20, w + 3)), data.draw(st.integers(-20, h + 3))
    width, height = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    beyond = np.empty((h + 128, w + 128, *image.shape[2:]), np.uint8)
    beyond[...] = spec.pad if image.ndim == 3 else spec.pad[0]
    beyond[64:-64, 64:-64] = image
    crop = beyond[64 + y : 64 + y + height, 64 + x : 64 + x + width]
    nudge = data.draw(st.sampled_from([0, 0.49, -0.5]))
    roi = Roi.box((x + nudge, y + nudge, x + width + nudge, y + height + nudge))
    with engine(name):
        row, affine = fill(spec, make_frame(packed(image, spec)), roi)
    assert (np.abs(row.astype(np.float64) - reference.tensor(spec, crop)) <= tolerance(spec) * 1.0001).all()
    corner = plan_geometry(spec, (width, height)).affine
    np.testing.assert_allclose(affine, compose(scale_translate(1, 1, x, y), corner))


@few
@given(specs(), st.integers(4, 24), st.integers(4, 24), seeds, st.sampled_from([0, 90, 180, 270]), engines)
def test_a_turned_frame_is_like_an_upright_one(make_frame, engine, spec, w, h, seed, orientation, name):
    stored = random_image(seed, w, h, spec)
    upright = np.ascontiguousarray(np.rot90(stored, -orientation // 90))
    frame, straight = make_frame(packed(stored, spec), orientation), make_frame(packed(upright, spec))
    roi = Roi.box((1, 0, *(side - 1 for side in frame.size_wh)))
    with engine(name):
        row, affine = fill(spec, frame, roi)
        expected, same_affine = fill(spec, straight, roi)
    np.testing.assert_array_equal(affine, same_affine)
    if spec.kernel != "nearest":  # its ties depend on the orientation
        assert (np.abs(row.astype(np.float64) - expected) <= tolerance(spec) * 1.0001).all()


@few
@given(specs(), sides, sides)
def test_corners_of_the_picture_land_on_the_corners_of_the_region(spec, w, h):
    placement = plan_geometry(spec, (w, h))
    (x, y), (new_w, new_h) = placement.offset_xy, placement.resized_wh
    corners = np.array([[x, y], [x + new_w, y + new_h]], np.float64)
    np.testing.assert_allclose(apply(placement.affine, corners), [[0, 0], [w, h]], atol=1e-9)
    x0, y0, x1, y1 = placement.covered
    width, height = spec.size_wh
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    if spec.resize != "letterbox":
        assert (x0, y0, x1, y1) == (0, 0, width, height)
    elif spec.anchor == "top_left":
        assert (x0, y0) == (0, 0)
    else:
        assert 0 <= (width - x1) - x0 <= 1
        assert 0 <= (height - y1) - y0 <= 1


@pytest.mark.parametrize(
    ("spec", "resized_wh", "offset_xy"),
    [
        (InputSpec(size_wh=(416, 416)), (416, 234), (0, 91)),
        (InputSpec(size_wh=(416, 416), anchor="top_left"), (416, 234), (0, 0)),
        (InputSpec(size_wh=(300, 200), resize="stretch"), (300, 200), (0, 0)),
        (InputSpec(size_wh=(224, 224), resize="crop", crop_fraction=0.875), (455, 256), (-115, -16)),
        (InputSpec(size_wh=(224, 224), resize="crop"), (398, 224), (-87, 0)),
    ],
)
def test_where_720p_lies(spec, resized_wh, offset_xy):
    placement = plan_geometry(spec, (1280, 720))
    assert (placement.resized_wh, placement.offset_xy) == (resized_wh, offset_xy)
    portrait = plan_geometry(msgspec.structs.replace(spec, size_wh=spec.size_wh[::-1]), (720, 1280))
    assert (portrait.resized_wh, portrait.offset_xy) == (resized_wh[::-1], offset_xy[::-1])


def blob(w, h, x, y, radius=3.0):
    """A soft white spot whose centre of mass is ``(x, y)``."""
    squared = (np.arange(w) + 0.5 - x) ** 2 + ((np.arange(h) + 0.5 - y) ** 2)[:, None]
    return np.rint(255 * np.exp(-squared / (2 * radius**2))).astype(np.uint8)


def centre_of_mass(row):
    picture = row.astype(float).reshape(row.shape[-3:-1] if row.shape[-1] == 1 else row.shape[-2:])
    rows, columns = picture.sum(axis=1), picture.sum(axis=0)
    centres = [np.average(np.arange(len(sums)) + 0.5, weights=sums) for sums in (columns, rows)]
    return np.array([centres])


@few
@given(
    st.sampled_from(["letterbox", "stretch", "crop"]),
    st.sampled_from(["bilinear", "bilinear_antialias", "area"]),
    st.sampled_from(["nchw", "nhwc"]),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(["whole", "inside", "over the edge", "turned", "mirrored"]),
    st.floats(-4, 4),
    st.floats(-4, 4),
    engines,
)
def test_the_map_says_where_things_are(
    make_frame, engine, resize, kernel, layout, orientation, kind, dx, dy, name
):
    """A spot found in the tensor is, by the returned map, where it was put in the frame."""
    w, h = 80, 61
    spot = np.array([[w / 2 + dx, h / 2 + dy]])
    stored = np.ascontiguousarray(np.rot90(blob(w, h, *spot[0]), orientation // 90))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    roi = {
        "whole": Roi.whole((w, h)),
        "inside": Roi.box((9.3, 5.6, 70.7, 55.2)),
        "over the edge": Roi.box((-10.4, 5, 75, 72)),
        "turned": Roi(affine=np.c_[turn, spot[0] - turn @ (25, 20)], size_wh=(50, 40)),
        "mirrored": Roi(affine=scale_translate(-1, 1, 70, 5), size_wh=(60, 52)),
    }[kind]
    spec = InputSpec(
        size_wh=(53, 47), resize=resize, kernel=kernel, layout=layout, colour="gray", dtype="uint8"
    )
    with engine(name):
        row, affine = fill(spec, make_frame(stored, orientation), roi)
    np.testing.assert_allclose(apply(affine, centre_of_mass(row)), spot, atol=0.12)


@few
@given(seeds, st.integers(1, 20), st.integers(1, 20), engines)
def test_quarter_turns_are_exact(make_frame, engine, seed, w, h, name):
    spec = InputSpec(size_wh=(h, w), resize="stretch", dtype="uint8", layout="nhwc", pad=(1, 2, 3))
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    roi = Roi(affine=np.array([[0.0, 1, 0], [-1, 0, h]]), size_wh=(h, w))  # its x axis runs up the frame
    with engine(name):
        row, affine = fill(spec, make_frame(image), roi)
    np.testing.assert_array_equal(row, np.rot90(image, -1))
    np.testing.assert_array_equal(affine, roi.affine)


@pytest.mark.parametrize("name", ["numpy", "opencv"])
def test_a_turned_region_beside_the_frame_is_padding(make_frame, engine, name):
    spec = InputSpec(size_wh=(8, 4), resize="stretch", mean=(10,) * 3, scale=(2,) * 3, pad=(12, 14, 16))
    roi = Roi(affine=np.array([[0.8, -0.6, 500], [0.6, 0.8, -300]]), size_wh=(20, 10))
    with engine(name):
        row, _ = fill(spec, make_frame(np.full((9, 9, 3), 200, np.uint8)), roi)
    np.testing.assert_array_equal(row, np.broadcast_to(np.array([1, 2, 3])[:, None, None], (3, 4, 8)))


@few
@given(seeds, engines)
def test_planes_are_like_the_picture_they_stand_for(make_frame, engine, seed, name):
    """Smooth content in Y'CbCr gives the tensor of the same content in RGB."""
    rng = np.random.default_rng(seed)
    across, down = np.linspace(0, 1, 64), np.linspace(0, 1, 48)[:, None]
    y, cb, cr = (96 + 64 * (rng.random() * across + rng.random() * down) / 2 for _ in range(3))
    halves = [plane.reshape(24, 2, 32, 2).mean(axis=(1, 3)) for plane in (cb, cr)]
    planes = tuple(np.rint(plane).astype(np.uint8) for plane in (y, *halves))
    red, blue = y + 1.5748 * (cr - 128), y + 1.8556 * (cb - 128)
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    rgb = np.rint(np.stack([red, green, blue], axis=-1)).astype(np.uint8)
    spec = InputSpec(size_wh=(40, 40), dtype="uint8", pad=(1, 2, 3))
    with engine(name):
        for roi in (Roi.whole((64, 48)), Roi.box((3, 5, 50, 40)), Roi.box((-5, 7, 41, 60))):
            from_planes, _ = fill(spec, make_frame(Planar("i420", planes, "bt709", "full")), roi)
            from_rgb, _ = fill(spec, make_frame(rgb), roi)
            assert np.abs(from_planes.astype(int) - from_rgb).max() <= 5


def test_models_of_one_size_share_the_resized_picture(make_frame):
    frame = make_frame(np.zeros((60, 80, 3), np.uint8))
    for layout in ("nchw", "nhwc"):
        fill(InputSpec(size_wh=(40, 40), layout=layout), frame, Roi.whole((80, 60)))
    assert len(frame._memo) == 1


SPEC = InputSpec(size_wh=(16, 8))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", (1, 3, 16, 8)),
        ("float32", (1, 8, 16, 3)),
        ("float32", (1, 1, 8, 16)),
        ("float32", (3, 8, 16)),
        ("float16", (1, 3, 8, 16)),
        ("uint8", (1, 3, 8, 16)),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(dtype, shape):
    with pytest.raises(BackendError) as error:
        IMAGE.build(SPEC, TensorInfo(name="images", dtype=dtype, shape=shape))
    text = str(error.value)
    assert f"input 'images': the graph takes {dtype} {shape}" in text
    assert "float32 (any, 3, 8, 16)" in text
    assert "uint8 (any, 8, 16, 3)" in text


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("float32", (None, 3, None, None)), ("float32", (4, 3, 8, 16)), ("uint8", (1, None, None, 3))],
)
def test_free_dimensions_fit(dtype, shape):
    IMAGE.build(SPEC, TensorInfo(name="images", dtype=dtype, shape=shape))


def test_the_wrong_row_is_refused(make_frame):
    writer = IMAGE.build(SPEC, TensorInfo(name="images", dtype="float32", shape=(1, 3, 8, 16)))
    frame, roi = make_frame(np.zeros((9, 9, 3), np.uint8)), Roi.whole((9, 9))
    with pytest.raises(BackendError, match=r"input 'images': a row is float32 \(3, 8, 16\), .* float64"):
        writer.write(frame, roi, np.zeros((3, 8, 16)))
    with pytest.raises(BackendError, match=r"\(1, 3, 8, 16\)"):
        writer.write(frame, roi, np.zeros((1, 3, 8, 16), np.float32))


@pytest.mark.parametrize(
    "roi",
    [
        Roi.box((0, 0, float("nan"), 4)),
        Roi.box((0, 0, float("inf"), 4)),
        Roi.box((5, 0, 4, 4)),
        Roi(affine=np.array([[0.0, 1, 0], [-1, 0, 0]]), size_wh=(0, 5)),
    ],
)
def test_a_region_that_is_none_is_refused(make_frame, roi):
    with pytest.raises(PipelineError, match=r"stream 'cam', ticket 7: .* empty or not finite"):
        fill(SPEC, make_frame(np.zeros((9, 9, 3), np.uint8)), roi)


def test_a_huge_region_is_refused_before_it_takes_memory(make_frame):
    with pytest.raises(PipelineError, match="too large to be padded"):
        fill(SPEC, make_frame(np.zeros((9, 9, 3), np.uint8)), Roi.box((-1e6, -1e6, 1e6, 1e6)))


def test_a_box_without_width_has_one_pixel(make_frame):
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    spec = InputSpec(size_wh=(2, 2), resize="stretch", dtype="uint8", layout="nhwc")
    row, _ = fill(spec, make_frame(image), Roi.box((1, 2, 1, 2)))
    assert (row == image[2, 1]).all()


def test_the_specification_is_named_image():
    assert IMAGE.name == "image"
    assert IMAGE.params is InputSpec
    assert IMAGE.fuse(SPEC) is SPEC
