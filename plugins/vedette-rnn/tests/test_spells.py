"""Spells: the state machine, by its laws."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_rnn.stages.spells import Rules, finish, step

S = 1_000_000_000


def rules(**changes) -> Rules:
    seconds = {"smooth": 0.0, "min": 1.0, "merge": 0.5, "max_gap": 5.0} | {
        key: value for key, value in changes.items() if key not in ("on", "off")
    }
    return Rules(
        on=changes.get("on", 0.6),
        off=changes.get("off", 0.4),
        **{f"{key}_ns": round(value * S) for key, value in seconds.items()},
    )


def run(samples, wanted: Rules) -> list[tuple[float, float | None]]:
    """``(begin, end)`` in seconds of every change that samples ``(seconds, score)`` give, the end included."""
    spell, changes = None, []
    for second, score in samples:
        spell, found = step(spell, wanted, round(second * S), score)
        changes += found
    changes += [] if spell is None else finish(spell, wanted)
    return [(c.begin_ns / S, None if c.end_ns is None else c.end_ns / S) for c in changes]


def signal(*levels: float, step_s: float = 0.5) -> list[tuple[float, float]]:
    return [(n * step_s, level) for n, level in enumerate(levels)]


def test_a_spell_starts_once_it_has_lasted_and_ends_with_the_first_low_sample():
    spell, wanted = None, rules()
    told = []
    for second, score in signal(0, 1, 1, 1, 0, 0, 0):
        spell, changes = step(spell, wanted, round(second * S), score)
        told += [(second, c.begin_ns / S, c.end_ns and c.end_ns / S) for c in changes]
    assert told == [
        (1.5, 0.5, None),
        (3.0, 0.5, 2.0),
    ]  # the end is told when the gap is too long to be merged


def test_hysteresis_keeps_a_spell_between_the_thresholds():
    assert run(signal(0.5, 0.5, 0.7, 0.5, 0.5, 0.39, 0.5, 0.5), rules()) == [(1.0, None), (1.0, 2.5)]


def test_what_is_too_short_is_nothing():
    assert run(signal(0, 1, 0, 0, 0, 1), rules()) == []


def test_gaps_are_merged_up_to_their_limit():
    assert run(signal(1, 1, 0, 1, 1, 0, 0, 0), rules()) == [(0, None), (0, 2.5)]
    assert run(signal(1, 1, 1, 0, 0, 1, 1, 1), rules()) == [(0, None), (0, 1.5), (2.5, None), (2.5, 3.5)]


def test_what_goes_on_ends_with_the_stream():
    assert run(signal(1, 1, 1, 1), rules()) == [(0, None), (0, 1.5)]


@pytest.mark.parametrize("then", [2.0, 1.5, 0.0, 60.0])
def test_a_long_gap_and_time_that_does_not_go_on_end_a_spell_at_its_latest_sample(then):
    before = signal(1, 1, 1, 1)
    after = [(then, 1), (then + 0.5, 0)] if then != 2.0 else []
    assert run([*before, *after], rules()) == [(0, None), (0, 1.5)]


def test_smoothing_is_a_lag_in_seconds():
    spell, wanted = None, rules(smooth=2.0)
    spell, _ = step(spell, wanted, 0, 0.0)
    for n in range(1, 21):
        spell, _ = step(spell, wanted, n * S // 10, 1.0)
    assert spell.score == pytest.approx(1 - math.exp(-1))


samples = st.lists(
    st.tuples(st.integers(1, 3000), st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.4, 0.6, 1.0]))),
    max_size=80,
)
limits = st.builds(
    lambda on, off, **times: rules(on=max(on, off), off=min(on, off), **times),
    on=st.floats(0, 1),
    off=st.floats(0, 1),
    smooth=st.sampled_from([0.0, 0.5, 3.0]),
    min=st.floats(0, 5),
    merge=st.floats(0, 5),
    max_gap=st.floats(0.5, 10),
)


@given(samples, limits)
def test_spells_are_long_enough_apart_and_told_in_pairs(steps, wanted):
    times = (np.cumsum([wait for wait, _ in steps]) / 1000).tolist()
    stream = list(zip(times, (score for _, score in steps), strict=True))
    changes = run(stream, wanted)
    assert changes == run(stream, wanted)
    starts, ends = changes[::2], changes[1::2]
    assert len(starts) == len(ends)
    assert all(end is None for _, end in starts)
    assert [begin for begin, _ in starts] == [begin for begin, _ in ends]
    for begin, end in ends:
        assert round((end - begin) * S) >= wanted.min_ns - 1
        assert begin in times
        assert end in times
    for (_, end), (begin, _) in pairwise(ends):
        assert begin >= end


@given(
    st.lists(st.tuples(st.integers(4, 12), st.booleans()), min_size=2, max_size=8),
    st.sampled_from([10, 15, 25, 60]),
)
def test_the_frame_rate_does_not_matter(blocks, fps):
    """Blocks of high and low scores, each longer than the lag and the limits: the same spells at any frame rate."""
    wanted = rules(smooth=0.5, min=0.4, merge=0.7)
    edges = np.cumsum([length for length, _ in blocks])

    def at(rate: float):
        times = np.arange(int(edges[-1] * rate)) / rate
        level = np.array([high for _, high in blocks], float)[np.searchsorted(edges, times, side="right")]
        return run(zip(times.tolist(), level.tolist(), strict=True), wanted)

    here, fine = at(fps), at(240)
    assert len(here) == len(fine)
    for one, other in zip(here, fine, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a is None) == (b is None)
            assert a is None or a == pytest.approx(b, abs=1.5 / fps)
