"""Which mistakes are tried."""

import shlex

import pytest

from vedette.checking.mistakes import alternatives
from vedette.cli.pack import pack
from vedette.specs import TensorInfo
from vedette.vision.spec import InputSpec

FIXED = TensorInfo(name="x", dtype="float32", shape=(1, 3, 24, 32))
FREE = TensorInfo(name="x", dtype="float32", shape=(None, 3, None, None))
OPEN = TensorInfo(name="x", dtype="float32", shape=(None, None, None, None))
BGR = InputSpec(size_wh=(32, 24), colour="bgr", resize="letterbox", anchor="top_left", pad=(114,) * 3)


def titles(spec, tensor=FIXED):
    return [item.title for item in alternatives(spec, tensor)]


def test_one_thing_is_changed_each_time():
    for item in alternatives(BGR, OPEN):
        changed = {name for name in BGR.__struct_fields__ if getattr(item.spec, name) != getattr(BGR, name)}
        allowed = {
            "colour": {"colour"},
            "values": {"mean", "scale"},
            "layout": {"layout"},
            "size": {"size_wh"},
            "resize": {"resize", "anchor", "crop_fraction"},
        }
        assert changed, item.title
        assert changed <= allowed[item.kind], item.title


def test_of_a_fixed_tensor():
    assert titles(BGR) == [
        "colour rgb instead of bgr",
        "values 0..1",
        "values -1..1",
        "values by ImageNet's mean",
        "letterbox, centred",
        "stretch",
        "crop of all that fits",
        "crop of 0.875",
    ]


def test_sides_and_layout_only_where_the_tensor_leaves_them_open():
    swapped = "24 x 32 pixels (sides exchanged)"
    assert swapped in titles(BGR, FREE)
    assert "layout nhwc instead of nchw" in titles(BGR, OPEN)
    assert "layout nhwc instead of nchw" not in titles(BGR, FREE)
    square = InputSpec(size_wh=(32, 32))
    assert not [title for title in titles(square, FREE) if "exchanged" in title]


def test_values_in_the_order_of_the_channels():
    (bgr,) = (item.spec for item in alternatives(BGR, FIXED) if "ImageNet" in item.title)
    assert bgr.mean == (103.53, 116.28, 123.675)
    rgb = InputSpec(size_wh=(32, 24), mean=bgr.mean[::-1], scale=bgr.scale[::-1])
    assert "values by ImageNet's mean" not in titles(rgb)
    assert "values 0..255 (the graph normalises)" in titles(rgb)


def test_values_that_are_nearly_the_same_are_not_tried():
    assert "values -1..1" not in titles(InputSpec(size_wh=(32, 24), mean=(127,) * 3, scale=(128,) * 3))


def test_uint8_and_gray_have_fewer():
    plain = InputSpec(size_wh=(32, 24), dtype="uint8")
    assert not [title for title in titles(plain) if title.startswith("values")]
    gray = InputSpec(size_wh=(32, 24), colour="gray")
    one = TensorInfo(name="x", dtype="float32", shape=(1, 1, 24, 32))
    assert not [title for title in titles(gray, one) if "colour" in title or "ImageNet" in title]


@pytest.mark.parametrize("resize", ["letterbox", "stretch", "crop"])
def test_options_are_those_of_pack(resize):
    spec = InputSpec(size_wh=(32, 24), resize=resize)
    for item in alternatives(spec, OPEN):
        context = pack.make_context("pack", ["model.onnx", *shlex.split(item.options)])
        given = {name: value for name, value in context.params.items() if value not in (None, (), {}, [])}
        for name in ("colour", "layout", "resize", "anchor", "crop_fraction"):
            if name in given:
                assert given[name] == getattr(item.spec, name), item.title
        for name in ("mean", "scale", "pad"):
            if name in given:
                assert given[name] * (3 // len(given[name])) == list(getattr(item.spec, name)), item.title
        assert item.options
