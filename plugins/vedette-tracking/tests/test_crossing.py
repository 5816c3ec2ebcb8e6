"""Crossing a line and being in a zone, over any path."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vedette_tracking.crossing import approach, visit

START, END = (
    np.array([100.0, 0.0]),
    np.array([100.0, 100.0]),
)  # looks down: its right side is where x is small
S = 1_000_000_000


def walk(path, margin=5.0, start=START, end=END):
    """The crossings of a path."""
    before, crossings = None, []
    for number, xy in enumerate(path):
        before, crossed = approach(before, xy, start, end, margin, number * S)
        crossings.append(crossed)
    return crossings


def test_directions():
    assert walk([(150, 50), (50, 50)]) == [0, 1]
    assert walk([(50, 50), (150, 50)]) == [0, -1]
    assert walk([(150, 50), (50, 50)], start=END, end=START) == [0, -1]


@given(st.lists(st.floats(0, 200), min_size=0, max_size=20), st.floats(0, 100), st.floats(0, 20))
def test_whoever_gets_across_counts_once_however_many_steps(between, y, margin):
    """Begin far on one side and end far on the other: one crossing more that way than back."""
    path = [(300.0, y), *((x, y) for x in between), (-100.0, y)]
    crossings = walk(path, margin)
    assert sum(crossings) == 1
    nonzero = [crossed for crossed in crossings if crossed]
    assert nonzero == [(-1) ** index for index in range(len(nonzero))]


def test_a_jump_over_the_line_counts_once():
    assert sum(map(abs, walk([(10_000, 50), (-10_000, 50), (-10_001, 50)]))) == 1


@given(st.lists(st.floats(95, 105), max_size=50), st.lists(st.floats(0, 100), min_size=50, max_size=50))
def test_who_stands_on_the_line_does_not_count(xs, ys):
    assert not any(walk([(150, 50), *zip(xs, ys, strict=False)]))
    assert not any(walk([*zip(xs, ys, strict=False), (150, 50)]))


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(100.001, 300)), max_size=20))
def test_around_the_end_of_the_line_does_not_count(path):
    assert not any(walk(path))


def test_through_the_line_and_back_around_its_end():
    there_and_around = [(150, 50), (50, 50), (50, 150), (150, 150), (150, 50), (50, 50)]
    assert walk(there_and_around) == [0, 1, 0, 0, 0, 1]


def test_slowly_through_the_margin_counts_where_it_went_through():
    assert walk([(120, 50), (104, 50), (101, 50), (99, 50), (97, 50), (94, 50)]) == [0, 0, 0, 0, 0, 1]
    assert walk([(120, 150), (101, 150), (99, 150), (97, 50), (90, 50)]) == [0, 0, 0, 0, 0]


@given(st.lists(st.floats(-50, 50), max_size=40), st.floats(0, 10))
def test_visits(depths, margin):
    """A visit begins inside, ends beyond the margin, and lasts as long as nothing of both happens."""
    stay = None
    for number, depth in enumerate(depths):
        before, stay = stay, visit(stay, depth, margin, 3, number * S)
        if before is None:
            assert (stay is not None) == (depth > 0)
        else:
            assert (stay is None) == (depth < -margin)
        if stay is not None:
            assert stay.seen_ns == number * S
            assert stay.entered_ns == (number * S if before is None else before.entered_ns)
