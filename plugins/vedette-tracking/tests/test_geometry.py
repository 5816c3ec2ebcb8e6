"""Points, polygons, lines and the ground, against other ways to say the same."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette_tracking.geometry import (
    ANCHORS,
    anchors_of,
    apply_homography,
    distance_inside,
    distance_right,
    homography,
)

SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
ARROW = np.array([[0.0, 0], [10, 0], [10, 10], [5, 3], [0, 10]])
coordinates = st.floats(-20, 30, allow_nan=False)
points = st.tuples(coordinates, coordinates)


@given(points)
def test_a_square_is_the_distance_to_its_nearest_side(point):
    x, y = point
    inside = min(x, 10 - x, y, 10 - y)
    outside = np.hypot(max(-x, 0, x - 10), max(-y, 0, y - 10))
    expected = inside if inside > 0 else -outside
    assert distance_inside(np.array([point]), SQUARE)[0] == pytest.approx(expected, abs=1e-9)


def test_a_dent_is_outside():
    assert distance_inside(np.array([[5.0, 9.0]]), ARROW)[0] < 0
    assert distance_inside(np.array([[1.0, 2.0]]), ARROW)[0] > 0


@given(points, st.integers(0, 4), st.booleans())
def test_where_a_polygon_begins_and_which_way_it_runs_does_not_matter(point, shift, backwards):
    other = np.roll(ARROW, shift, axis=0)[:: -1 if backwards else 1]
    one, two = (distance_inside(np.array([point]), polygon)[0] for polygon in (ARROW, other))
    assert abs(one) == pytest.approx(abs(two), abs=1e-9)
    assume(abs(one) > 1e-9)
    assert (one > 0) == (two > 0)


def test_many_points_at_once():
    many = np.random.default_rng(1).uniform(-5, 15, (200, 2))
    together = distance_inside(many, ARROW)
    alone = [distance_inside(point[None], ARROW)[0] for point in many]
    np.testing.assert_array_equal(together, alone)
    assert distance_inside(np.zeros((0, 2)), ARROW).shape == (0,)


@given(points, points, points)
def test_right_turns_to_left_from_the_other_end(point, start, end):
    start, end = np.array(start), np.array(end)
    assume(np.hypot(*(end - start)) > 0.1)
    one = distance_right(np.array([point]), start, end)[0]
    assert distance_right(np.array([point]), end, start)[0] == pytest.approx(-one, abs=1e-6)


def test_right_is_right_on_the_screen():
    """Who looks up the picture has its right side at the right."""
    assert distance_right(np.array([[9.0, 50.0]]), np.array([5.0, 100.0]), np.array([5.0, 0.0]))[0] == 4


def test_anchors():
    box = np.array([[10.0, 20, 30, 60]])
    assert len(ANCHORS) == 9
    assert anchors_of(box, "bottom_center").tolist() == [[20, 60]]
    assert anchors_of(box, "center").tolist() == [[20, 40]]
    assert anchors_of(box, "top_left").tolist() == [[10, 20]]


CAMERA = np.array([[1.0, 0.2, 3.0], [0.1, 2.0, -4.0], [0.001, 0.004, 1.0]])


@pytest.mark.parametrize("count", [4, 12])
def test_a_homography_is_found_again(count):
    rng = np.random.default_rng(7)
    picture = rng.uniform([0, 200], [1280, 720], (count, 2))
    found = homography(picture, apply_homography(CAMERA, picture))
    np.testing.assert_allclose(found / found[2, 2], CAMERA, rtol=1e-6)


@pytest.mark.parametrize(
    "picture",
    [[[0, 0], [1, 1], [2, 2], [5, 0]], [[0, 0], [0, 0], [0, 0], [0, 0]]],
    ids=["on a line", "one point"],
)
def test_points_that_determine_nothing_are_refused(picture):
    with pytest.raises(ConfigError, match="do not determine"):
        homography(np.array(picture, float), SQUARE)
