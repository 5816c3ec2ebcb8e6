from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from vedette_video.timeline import LiveTimeline, Timeline

PERIOD_NS = 40_000_000


def timeline(zero=0):
    return Timeline(Fraction(1, 1000), zero, PERIOD_NS)


@given(st.lists(st.none() | st.integers(-3000, 10_000), max_size=50))
def test_rises_strictly_within_an_epoch(stamps):
    line = timeline()
    last = None
    for ticks in stamps:
        at, anew = line.stamp(ticks)
        assert anew or last is None or at > last
        assert not anew or at == 0
        last = at


@given(st.lists(st.integers(1, 5000), min_size=1), st.integers(-(10**6), 10**6))
def test_good_stamps_are_kept(gaps, zero):
    line, ticks = timeline(zero), zero
    for gap in gaps:
        ticks += gap
        assert line.stamp(ticks) == ((ticks - zero) * 1_000_000, False)
    assert line.replaced == 0


def test_faulty_stamps_are_replaced_and_counted():
    line = timeline()
    assert [line.stamp(ticks)[0] // 1_000_000 for ticks in (0, 40, 40, None, 30, 300)] == [
        0,
        40,
        80,
        120,
        160,
        300,
    ]
    assert line.replaced == 3


def test_a_file_without_stamps():
    line = timeline()
    assert [line.stamp(None)[0] for _ in range(3)] == [0, PERIOD_NS, 2 * PERIOD_NS]


def test_far_back_is_a_beginning():
    line = timeline()
    assert line.stamp(5000) == (5_000_000_000, False)
    assert line.stamp(3900) == (0, True)
    assert line.stamp(3940) == (40_000_000, False)


# --- live -----------------------------------------------------------------------------------------------------------


def live(*ticks):
    timeline = LiveTimeline(Fraction(1, 1000))
    return [timeline.stamp(tick) for tick in ticks]


def test_live_time_is_as_it_came():
    assert live(5000, 5040, 5043, 9000, 9000) == [
        (0, False),
        (40_000_000, False),
        (43_000_000, False),
        (4_000_000_000, False),
        (4_000_000_000, False),
    ]


def test_live_time_that_is_missing_or_faulty_is_not_made_up():
    assert live(None, 100, None, 300, 250, 400) == [
        (None, False),
        (0, False),
        (None, False),
        (200_000_000, False),
        (None, False),
        (300_000_000, False),
    ]


def test_live_time_that_goes_back_far_begins_anew():
    assert live(9000, 9500, 10, 50) == [(0, False), (500_000_000, False), (0, True), (40_000_000, False)]
