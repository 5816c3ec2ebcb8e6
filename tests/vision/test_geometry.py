import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.vision.geometry import apply, boxes_to_frame, compose, invert, points_to_frame, scale_translate

few = settings(max_examples=60, deadline=None)

numbers = st.floats(-100, 100, width=32)
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5).map(lambda p: np.array(p, np.float64))


@st.composite
def affines(draw):
    """Turned, scaled, sheared, mirrored and shifted."""
    angle, factor = draw(st.floats(-7, 7)), draw(st.floats(0.1, 10))
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array(
        [[draw(st.floats(0.5, 2)), draw(st.floats(-1, 1))], [0, draw(st.sampled_from([-1.0, 1.0]))]]
    )
    return np.column_stack([turn @ shear, [draw(numbers), draw(numbers)]])


@few
@given(affines(), affines(), points)
def test_compose_applies_the_inner_map_first(outer, inner, xy):
    np.testing.assert_allclose(
        apply(compose(outer, inner), xy), apply(outer, apply(inner, xy)), rtol=1e-9, atol=1e-7
    )


@few
@given(affines(), points)
def test_inverse_leads_back(affine, xy):
    np.testing.assert_allclose(apply(invert(affine), apply(affine, xy)), xy, atol=1e-6)


def test_scale_translate():
    np.testing.assert_array_equal(apply(scale_translate(2, 3, 5, 7), np.array([[1.0, 1.0]])), [[7, 10]])


def test_maps_stack():
    maps = np.stack([scale_translate(2, 2), scale_translate(1, 1, 5, 6)])
    both = compose(maps, scale_translate(1, 1, 1, 1))
    np.testing.assert_array_equal(both, np.stack([scale_translate(2, 2, 2, 2), scale_translate(1, 1, 6, 7)]))
    np.testing.assert_allclose(compose(maps, invert(maps)), np.stack([scale_translate(1, 1)] * 2))


def test_a_singular_map_has_no_inverse():
    with pytest.raises(np.linalg.LinAlgError):
        invert(np.zeros((2, 3)))


@few
@given(st.lists(affines(), min_size=1, max_size=3), st.data())
def test_boxes_to_frame_is_the_box_around_the_mapped_corners(maps, data):
    row = st.integers(0, len(maps) - 1)
    corner = st.tuples(numbers, numbers, st.floats(0, 50, width=32), st.floats(0, 50, width=32), row)
    drawn = data.draw(st.lists(corner, max_size=4))
    xyxy = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in drawn], np.float32).reshape(-1, 4)
    rows = np.array([r for *_, r in drawn], np.int32)
    got = boxes_to_frame(xyxy, rows, np.stack(maps), (640, 480))
    assert got.dtype == np.float32
    assert got.shape == xyxy.shape
    for box, row_, result in zip(xyxy.astype(float), rows, got, strict=True):
        x0, y0, x1, y1 = box
        corners = apply(maps[row_], np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]))
        around = np.r_[corners.min(axis=0), corners.max(axis=0)]
        np.testing.assert_allclose(result, np.clip(around, 0, [640, 480, 640, 480]), rtol=1e-5, atol=1e-3)


@few
@given(st.lists(affines(), min_size=1, max_size=3), st.integers(1, 4))
def test_points_to_frame_maps_each_row_by_its_own_map(maps, k):
    rng = np.random.default_rng(k)
    rows = np.arange(len(maps))[::-1].copy()
    xy = rng.uniform(0, 100, (len(maps), k, 2)).astype(np.float32)
    got = points_to_frame(xy, rows, np.stack(maps))
    assert got.dtype == np.float32
    for result, row, given_ in zip(got, rows, xy, strict=True):
        np.testing.assert_allclose(result, apply(maps[row], given_), rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(points_to_frame(xy[:, 0], rows, np.stack(maps)), got[:, 0])
