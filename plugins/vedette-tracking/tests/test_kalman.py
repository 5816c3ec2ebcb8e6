"""The filter of all tracks at once, against the textbook's matrices, and any way to part time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_tracking import kalman

BOXES = np.array([[100.0, 80.0, 40.0, 90.0], [500.0, 300.0, 200.0, 20.0]])


def textbook(positions, seconds, area):
    """One number of a box by matrices: begin with the first position, then predict and correct."""
    state, spread = np.array([positions[0], 0.0]), np.diag([kalman.MEASURED**2, kalman.SPEED**2]) * area
    move = np.array([[1, seconds], [0, 1]])
    noise = kalman.JERK**2 * area * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
    look = np.array([[1.0, 0.0]])
    for position in positions[1:]:
        state, spread = move @ state, move @ spread @ move.T + noise
        gain = spread @ look.T / (look @ spread @ look.T + kalman.MEASURED**2 * area)
        state = state + (gain * (position - look @ state)).ravel()
        spread = (np.eye(2) - gain @ look) @ spread
    return state, spread


def test_it_is_the_textbook_filter():
    positions = [100.0, 104.0, 109.0, 111.0, 118.0]
    area = BOXES[0, 2] * BOXES[0, 3]
    motion = kalman.begin(BOXES[:1])
    for x in positions[1:]:
        seen = BOXES[:1].copy()
        seen[0, 0] = x
        motion = kalman.correct(kalman.predict(motion, 0.1), seen)
    state, spread = textbook(positions, 0.1, area)
    ours = motion[0, :, 0]
    np.testing.assert_allclose(ours[[kalman.VALUE, kalman.VELOCITY]], state, rtol=1e-9)
    np.testing.assert_allclose(ours[2:], [spread[0, 0], spread[0, 1], spread[1, 1]], rtol=1e-9)


@given(st.floats(0, 3), st.floats(0, 3))
def test_time_can_be_parted_in_any_way(first, second):
    motion = kalman.begin(BOXES)
    motion[:, kalman.VELOCITY, :2] = [[30, -4], [-90, 2]]
    whole = kalman.predict(motion, first + second)
    parted = kalman.predict(kalman.predict(motion, first), second)
    np.testing.assert_allclose(whole, parted, rtol=1e-9, atol=1e-9)


def test_no_time_changes_nothing():
    motion = kalman.begin(BOXES)
    np.testing.assert_array_equal(kalman.predict(motion, 0.0), motion)


@pytest.mark.parametrize("rate_hz", [5, 10, 25, 60])
def test_it_learns_a_velocity_at_any_frame_rate(rate_hz):
    motion = kalman.begin(BOXES)
    for n in range(1, 3 * rate_hz):
        motion = kalman.predict(motion, 1 / rate_hz)
        motion = kalman.correct(motion, BOXES + np.array([n * 50 / rate_hz, 0, 0, 0]))
    np.testing.assert_allclose(motion[:, kalman.VELOCITY, 0], 50, rtol=0.02)


def test_what_is_expected_is_near():
    motion = kalman.begin(BOXES)
    apart = kalman.distance(motion, BOXES)
    assert apart[0, 0] == apart[1, 1] == 0
    assert (apart[[0, 1], [1, 0]] > 1000).all()


def test_boxes_never_vanish():
    motion = kalman.begin(BOXES)
    motion[:, kalman.VELOCITY, 2:] = -1000
    assert (kalman.predict(motion, 5.0)[:, kalman.VALUE, 2:] >= kalman.SMALLEST).all()
    flat = np.array([[5.0, 5.0, 0.0, 0.0]])
    assert np.isfinite(kalman.correct(kalman.begin(flat), flat)).all()
