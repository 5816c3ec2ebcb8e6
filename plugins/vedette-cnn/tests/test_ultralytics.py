"""What Ultralytics' heads add to boxes: masks, points, angles; and the ways in which their tables differ."""

import math

import encoded_ultralytics as encoded
import msgspec
import numpy as np
import pytest
from encoded import Box
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ResultError
from vedette_cnn.decoders import (
    ultralytics_detect,
    ultralytics_obb,
    ultralytics_pose,
    ultralytics_segment,
    yolov5,
)
from vedette_cnn.decoders.turned import fast_nms, prob_iou, turned_corners

INPUT_WH = (320, 160)
SIZE_WH = (640, 320)
PLAIN = np.array([[[2.0, 0, 0], [0, 2, 0]]])
TWO = [[Box((20, 30, 60, 80), 0.8), Box((200, 30, 290, 101), 0.95, 2)]]


def decode(module, outputs, affines=PLAIN, size_wh=SIZE_WH, labels=(), **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, module.SPEC.params)
    return module.SPEC.build(labels)(outputs, np.array(affines), size_wh, params)


# --- layouts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"unit": "fraction"}])
@pytest.mark.parametrize(
    ("module", "encode", "layout", "last"),
    [
        (ultralytics_detect, encoded.raw, {}, False),
        (ultralytics_detect, encoded.records, {"layout": "records"}, True),
        (yolov5, encoded.yolov5, {}, True),
    ],
)
def test_boxes_in_pixels_and_in_fractions_of_the_input(module, encode, layout, last, params):
    outputs = encode(TWO, INPUT_WH)
    if params:
        for table in outputs.values():
            box = table[..., :4] if last else table[:, :4].transpose(0, 2, 1)
            box /= (*INPUT_WH, *INPUT_WH)
    found = decode(module, outputs, **layout, **params)
    np.testing.assert_allclose(found.xyxy, [[400, 60, 580, 202], [40, 60, 120, 160]], rtol=1e-5)
    assert found.class_id.tolist() == [2, 0]


def test_raw_tables_are_suppressed_and_records_are_not():
    twice = [[Box((20, 30, 60, 80), 0.8), Box((21, 30, 60, 80), 0.7)]]
    assert len(decode(ultralytics_detect, encoded.raw(twice, INPUT_WH))) == 1
    assert len(decode(ultralytics_detect, encoded.raw(twice, INPUT_WH), iou_threshold=0.99)) == 2
    assert len(decode(ultralytics_detect, encoded.records(twice, INPUT_WH), layout="records")) == 2


@pytest.mark.parametrize("module", [ultralytics_detect, ultralytics_obb])
def test_classes_suppress_each_other_only_if_asked(module):
    both = [[Box((20, 30, 60, 80), 0.8, 0), Box((20, 30, 60, 80), 0.7, 1)]]
    outputs = encoded.obb(both, INPUT_WH) if module is ultralytics_obb else encoded.raw(both, INPUT_WH)
    assert len(decode(module, outputs)) == 2
    assert len(decode(module, outputs, class_agnostic=True)) == 1


def test_rows_of_zeros_that_fill_records_up_are_nothing():
    outputs = {"output0": np.zeros((1, 300, 6), np.float32)}
    assert len(decode(ultralytics_detect, outputs, layout="records", confidence_threshold=0)) == 0


@pytest.mark.parametrize(
    ("encode", "layout", "reason"),
    [
        (encoded.records, "raw", "a class probability|has 1[0-9] classes"),
        (encoded.raw, "records", "40 columns, not 6"),
    ],
)
def test_the_other_layout_is_refused(encode, layout, reason):
    outputs = {name: np.abs(table) for name, table in encode(TWO, INPUT_WH).items()}
    with pytest.raises(ResultError, match=f"{reason}|not probabilities"):
        decode(ultralytics_detect, outputs, layout=layout)


def test_the_table_is_found_among_the_outputs_by_its_axes_or_by_name():
    outputs = encoded.segment(TWO, INPUT_WH)
    assert len(decode(ultralytics_segment, outputs)) == 2
    two = {**outputs, "more": np.zeros((1, 8, 3), np.float32)}
    with pytest.raises(ResultError, match="several outputs"):
        decode(ultralytics_segment, two)
    assert len(decode(ultralytics_segment, two, output="output0")) == 2
    with pytest.raises(ResultError, match="no output 'boxes'"):
        decode(ultralytics_segment, outputs, output="boxes")


@pytest.mark.parametrize("value", [np.nan, -1.0, 7.0])
def test_class_numbers_that_are_none_are_refused(value):
    outputs = encoded.records(TWO, INPUT_WH)
    outputs["output0"][0, 1, 5] = value
    with pytest.raises(ResultError, match="class"):
        decode(ultralytics_detect, outputs, layout="records", labels=("a", "b", "c"))


# --- pose ---------------------------------------------------------------------------------------------------------


def test_points_and_how_sure_they_are():
    found = decode(ultralytics_pose, encoded.pose(TWO, INPUT_WH))
    assert found.points.shape == (2, 17, 2)
    np.testing.assert_allclose(found.points[1, :, 0], 2 * (20 + 40 * np.arange(17) / 17), rtol=1e-5)
    np.testing.assert_allclose(found.points[1, :, 1], 2 * 55, rtol=1e-5)
    np.testing.assert_allclose(found.point_confidence[0], np.arange(1, 18) / 18, rtol=1e-5)


def test_points_without_a_confidence():
    extra = [[(30, 40, 50, 60)]]
    outputs = encoded.raw([TWO[0][:1]], INPUT_WH, extra=extra)
    found = decode(ultralytics_pose, outputs, points=2, point_values=2)
    assert found.points.tolist() == [[[60, 80], [100, 120]]]
    assert found.point_confidence is None


def test_points_in_fractions():
    outputs = encoded.raw([[Box((0.1, 0.1, 0.5, 0.5))]], INPUT_WH, extra=[[(0.25, 0.5, 0.9)]])
    found = decode(ultralytics_pose, outputs, points=1, unit="fraction")
    np.testing.assert_allclose(found.points, [[[160, 160]]])
    np.testing.assert_allclose(found.point_confidence, [[0.9]])


def test_points_that_are_not_finite_are_refused():
    outputs = encoded.pose(TWO, INPUT_WH)
    outputs["output0"][0, 20] = np.inf
    with pytest.raises(ResultError, match="a point above the threshold is not finite"):
        decode(ultralytics_pose, outputs)


# --- masks --------------------------------------------------------------------------------------------------------


def test_masks_lie_on_their_own_boxes():
    """Box 0 is crossed by the edge of the left half, box 1 by that of the upper half, box 2 is full, box 3 empty."""
    boxes = [Box((140, 20, 180, 60), 0.9), Box((40, 60, 80, 100), 0.8), Box((200, 100, 300, 150), 0.7)]
    boxes.append(Box((10, 10, 30, 30), 0.6))
    found = decode(ultralytics_segment, encoded.segment([boxes], INPUT_WH), mask_wh=(40, 20))
    assert found.masks.shape == (4, 20, 40)
    inside = found.masks >= 128
    assert inside[0, :, :20].all()
    assert not inside[0, :, 20:].any()
    assert inside[1, :10].all()
    assert not inside[1, 10:].any()
    assert inside[2].all()
    assert not inside[3].any()


def test_the_mask_of_a_box_that_is_cut_at_the_frame_lies_on_the_part_inside():
    """Of a box from -40 to 40 the right half is in the frame; its left half is the prototype's."""
    outputs = encoded.segment([[Box((-160, 0, 320, 160), 0.9)]], INPUT_WH)
    found = decode(ultralytics_segment, outputs, mask_wh=(32, 16))
    np.testing.assert_allclose(found.xyxy, [[0, 0, 640, 320]])
    assert (found.masks[0, :, :16] >= 128).all()
    assert not (found.masks[0, :, 16:] >= 128).any()


def test_a_mask_ends_where_its_box_ends_in_a_turned_picture():
    """Turned by 45 degrees, the corners of the upright box around the box are not the box."""
    c = math.sqrt(0.5)
    turned = [[[c, -c, 300], [c, c, 0]]]
    outputs = encoded.segment(
        [[Box((1, 1, 2, 2), 0.1), Box((1, 1, 2, 2), 0.1), Box((40, 40, 140, 140), 0.9)]], INPUT_WH
    )
    found = decode(ultralytics_segment, outputs, turned, mask_wh=(40, 40))
    mask = found.masks[0] >= 128
    assert mask[20, 20]
    assert not mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert mask.mean() == pytest.approx(0.5, abs=0.03)


def test_every_row_has_the_prototypes_of_its_own_picture():
    outputs = encoded.segment([TWO[0][:1], TWO[0][:1]], INPUT_WH)
    outputs["output1"][1] = -outputs["output1"][1]
    found = decode(ultralytics_segment, outputs, np.repeat(PLAIN, 2, axis=0))
    assert found.source_row.tolist() == [0, 1]
    assert (found.masks[0] >= 128).all()
    assert not (found.masks[1] >= 128).any()


def test_prototypes_with_channels_last():
    outputs = encoded.segment(TWO, INPUT_WH)
    expected = decode(ultralytics_segment, outputs).masks
    outputs["output1"] = np.ascontiguousarray(outputs["output1"].transpose(0, 2, 3, 1))
    found = decode(ultralytics_segment, outputs, prototype_layout="nhwc")
    np.testing.assert_array_equal(found.masks, expected)


def test_a_mask_is_interpolated_between_prototype_cells():
    """Logits -6, 2 in two cells: halfway between their middles it is -2, beyond the outer middles it stays."""
    outputs = encoded.raw([[Box((0, 0, 320, 160))]], INPUT_WH, extra=[[(1,)]])
    outputs["output1"] = np.array([[[[-6, 2]]]], np.float32)
    found = decode(ultralytics_segment, outputs, mask_wh=(64, 1))
    logits = np.interp((np.arange(64) + 0.5) / 32, [0.5, 1.5], [-6, 2])
    np.testing.assert_array_equal(found.masks[0, 0], np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8))


def test_prototypes_that_are_not_numbers_are_refused():
    outputs = encoded.segment(TWO, INPUT_WH)
    outputs["output1"][...] = np.nan
    with pytest.raises(ResultError, match="a mask holds NaN"):
        decode(ultralytics_segment, outputs)
    with pytest.raises(ResultError, match="no prototypes"):
        decode(ultralytics_segment, {**outputs, "output1": np.zeros((1, 0, 4, 4), np.float32)})


# --- turned boxes -------------------------------------------------------------------------------------------------


def test_corners_and_the_box_around_them():
    found = decode(ultralytics_obb, encoded.obb([[Box((100, 60, 140, 80))]], INPUT_WH, math.pi / 2))
    np.testing.assert_allclose(found.points[0], [[260, 100], [260, 180], [220, 180], [220, 100]], atol=1e-3)
    np.testing.assert_allclose(found.xyxy, [[220, 100, 260, 180]], atol=1e-3)
    along = found.points[0, 1] - found.points[0, 0]
    assert math.atan2(along[1], along[0]) == pytest.approx(math.pi / 2, abs=1e-5)


def test_records_of_turned_boxes_are_centre_and_size_too():
    table = np.zeros((1, 5, 7), np.float32)
    table[0, 0] = (120, 70, 40, 20, 0.9, 1, math.pi / 2)
    found = decode(ultralytics_obb, {"output0": table}, layout="records")
    np.testing.assert_allclose(found.xyxy, [[220, 100, 260, 180]], atol=1e-3)
    assert found.class_id.tolist() == [1]


@given(st.lists(st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(1, 60)] * 2, st.floats(-4, 4)), max_size=12))
def test_corners_are_those_of_a_rectangle(boxes):
    xywha = np.array(boxes, np.float32).reshape(-1, 5)
    corners = turned_corners(xywha[:, :4], xywha[:, 4])
    np.testing.assert_allclose(corners.mean(axis=1), xywha[:, :2], atol=1e-3)
    along, across = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), xywha[:, 2], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(across, axis=1), xywha[:, 3], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose((along * across).sum(axis=1), 0, atol=0.05)


def hellinger(a, b):
    """1 - distance of the two normal distributions on a fine grid: the definition, by numbers."""
    axis = np.linspace(-400, 400, 801)
    x, y = np.meshgrid(axis, axis)

    def density(cx, cy, w, h, angle):
        cos, sin = math.cos(angle), math.sin(angle)
        u = (x - cx) * cos + (y - cy) * sin
        v = (y - cy) * cos - (x - cx) * sin
        var_u, var_v = w**2 / 12, h**2 / 12
        return np.exp(-(u**2) / var_u / 2 - v**2 / var_v / 2) / (2 * math.pi * math.sqrt(var_u * var_v))

    return 1 - math.sqrt(max(0.0, 1 - np.sqrt(density(*a) * density(*b)).sum()))


@pytest.mark.parametrize(
    "other",
    [
        (0, 0, 100, 60, 0.3),
        (10, 5, 100, 60, 0.3),
        (0, 0, 60, 100, 0.3),
        (30, -20, 80, 90, 1.2),
        (90, 90, 50, 50, 0),
    ],
)
def test_prob_iou_is_what_its_definition_says(other):
    one = (0, 0, 100, 60, 0.3)
    (found,) = prob_iou(np.array([one], float), np.array([other], float)).ravel()
    assert found == pytest.approx(hellinger(one, other), abs=2e-3)


@given(st.integers(0, 700), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_suppression_is_the_same_in_blocks(count, seed, threshold):
    """Against one matrix of all pairs: a box goes if any surer one of its group overlaps it."""
    rng = np.random.default_rng(seed)
    boxes = rng.uniform((0, 0, 5, 5, -2), (60, 60, 40, 40, 2), (count, 5)).astype(np.float32)
    confidence, group = rng.random(count, np.float32), rng.integers(0, 3, count)
    order = np.argsort(-confidence, kind="stable")
    overlap = prob_iou(boxes[order].astype(float), boxes[order].astype(float)) > threshold
    overlap &= group[order][:, None] == group[order]
    expected = order[~np.triu(overlap, 1).any(axis=0)]
    np.testing.assert_array_equal(fast_nms(boxes, confidence, threshold, group), expected)


def test_boxes_without_area_overlap_nothing_but_themselves():
    flat = np.zeros((3, 5), np.float32)
    flat[2, :2] = 50
    assert np.isfinite(prob_iou(flat.astype(float), flat.astype(float))).all()
    fast_nms(flat, np.array([0.9, 0.8, 0.7], np.float32), 0.5, np.zeros(3, np.intp))
