"""The tensor half of an InputSpec inside the graph gives what the same graph gives on a tensor made outside."""

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.vision.spec import InputSpec
from vedette_openvino.runtime import ov

ops = ov.opset13
IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}


def tensor(spec, pixels):
    """``uint8 (n, h, w, c)`` pixels as the tensor that ``spec`` describes, in numpy."""
    values = (pixels.astype(np.float32) - np.float32(spec.mean)) / np.float32(spec.scale)
    values = values if spec.layout == "nhwc" else values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values.astype(spec.dtype))


def pixels_for(spec, n=1):
    shape = (n, *spec.pixel_half().row_shape)
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


def assert_agrees(session, plain, name, spec, pixels, bound=1e-5):
    assert session.inputs[name].dtype == "uint8"
    assert session.inputs[name].shape[1:] == pixels.shape[1:]
    fused, unfused = infer(session, {name: pixels}), infer(plain, {name: tensor(spec, pixels)})
    for output, wanted in unfused.items():
        assert np.abs(fused[output] - wanted).max() <= bound * np.abs(wanted).max(), output


@pytest.fixture
def conv(save):
    """``conv(shape, layout, dtype)``: an image model; the padded border shows if the mean is folded wrongly."""

    def conv(shape, layout="nchw", dtype=np.float32):
        x = ops.parameter(ov.PartialShape(shape), dtype, name="image")
        node = ops.convert(x, "f32")
        node = node if layout == "nchw" else ops.transpose(node, np.array([0, 3, 1, 2]))
        channels = shape[1 if layout == "nchw" else 3]
        weights = np.random.default_rng(6).normal(size=(4, channels, 3, 3)).astype(np.float32)
        return save([x], {"y": ops.convolution(node, weights, [1, 1], [1, 1], [1, 1], [1, 1])}, "conv")

    return conv


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("colour", "values"),
    [
        ("rgb", {}),
        ("bgr", IMAGENET),
        ("rgb", {"mean": (127.5,) * 3, "scale": (-127.5, 127.5, 1.0)}),
        ("gray", {"mean": (33.0,), "scale": (255.0,)}),
    ],
)
def test_float_images(conv, load, dtype, layout, colour, values):
    spec = InputSpec(size_wh=(9, 7), colour=colour, layout=layout, **values)
    plain = load(conv((1, *spec.row_shape), layout))
    fused = load(conv((1, *spec.row_shape), layout, dtype), fuse={"image": spec})
    bound = 1e-5 if dtype == np.float32 else 3e-3  # half precision: 11 bits
    assert_agrees(fused, plain, "image", spec, pixels_for(spec), bound)


def test_a_graph_that_takes_planar_bytes(conv, load):
    spec = InputSpec(size_wh=(6, 5), dtype="uint8")
    path = conv((1, 3, 5, 6), dtype=np.uint8)
    assert_agrees(load(path, fuse={"image": spec}), load(path), "image", spec, pixels_for(spec), 0)


def test_a_graph_that_takes_packed_bytes_stays_as_it_is(conv, load):
    spec = InputSpec(size_wh=(6, 5), dtype="uint8", layout="nhwc")
    path = conv((1, 5, 6, 3), "nhwc", np.uint8)
    assert_agrees(load(path, fuse={"image": spec}), load(path), "image", spec, pixels_for(spec), 0)


def test_a_batch(conv, load):
    spec = InputSpec(size_wh=(8, 6), **IMAGENET)
    path = conv((-1, 3, 6, 8))
    fused, plain = load(path, fuse={"image": spec}, batch=4), load(path, batch=4)
    assert fused.inputs["image"].shape == (None, 6, 8, 3)
    for n in (1, 4, 3):
        assert_agrees(fused, plain, "image", spec, pixels_for(spec, n))


def test_a_free_size_becomes_the_specified_one(conv, load):
    spec = InputSpec(size_wh=(8, 6), **IMAGENET)
    path = conv((-1, 3, -1, -1))
    fused = load(path, fuse={"image": spec})
    assert fused.inputs["image"].shape == (1, 6, 8, 3)
    assert_agrees(fused, load(path), "image", spec, pixels_for(spec))


def test_bf16_graphs_are_fed_bytes_too(conv, load):
    spec = InputSpec(size_wh=(8, 6), **IMAGENET)
    path = conv((1, 3, 6, 8))
    try:
        fused = load(path, fuse={"image": spec}, precision="bf16")
    except BackendError as error:
        pytest.skip(error.message)
    assert_agrees(fused, load(path), "image", spec, pixels_for(spec), 2e-2)


def test_only_the_named_input_changes(save, load):
    image = ops.parameter([1, 3, 4, 4], np.float32, name="image")
    gain = ops.parameter([1, 1, 1, 1], np.float32, name="gain")
    path = save([gain, image], {"y": ops.multiply(image, gain)})
    spec = InputSpec(size_wh=(4, 4), **IMAGENET)
    session = load(path, fuse={"image": spec})
    assert session.inputs["gain"].dtype == "float32"
    pixels = pixels_for(spec)
    got = infer(session, {"image": pixels, "gain": np.full((1, 1, 1, 1), 2, np.float32)})["y"]
    np.testing.assert_allclose(got, 2 * tensor(spec, pixels), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype", "spec"),
    [
        ((1, 3, 6, 8), np.float32, InputSpec(size_wh=(6, 8))),
        ((1, 6, 8, 3), np.float32, InputSpec(size_wh=(8, 6))),
        ((1, 3, 6, 8), np.float32, InputSpec(size_wh=(8, 6), colour="gray")),
        ((1, 3, 6, 8), np.float32, InputSpec(size_wh=(8, 6), dtype="uint8")),
        ((1, 3, 6, 8), np.uint8, InputSpec(size_wh=(8, 6))),
        ((1, 3, 6, 8), np.int32, InputSpec(size_wh=(8, 6))),
        ((1, 18, 8), np.float32, InputSpec(size_wh=(8, 6))),
    ],
)
def test_an_input_that_does_not_fit_stays_as_it_is_and_the_log_says_so(
    save, load, caplog, shape, dtype, spec
):
    x = ops.parameter(shape, dtype, name="image")
    path = save([x], {"y": ops.multiply(ops.convert(x, "f32"), np.float32(2))})
    with caplog.at_level("INFO", "vedette.openvino"):
        session = load(path, fuse={"image": spec})
    assert session.inputs["image"].dtype == np.dtype(dtype).name
    assert session.inputs["image"].shape == shape
    assert "the preprocessing of image" in caplog.text


def test_a_name_that_is_no_input_is_refused(conv, load):
    with pytest.raises(BackendError, match=r"there is no input 'imgae'\n.*image float32 \(1, 3, 6, 8\)"):
        load(conv((1, 3, 6, 8)), fuse={"imgae": InputSpec(size_wh=(8, 6))})
