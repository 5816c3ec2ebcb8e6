import doctest
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vedette.events
from vedette.events import EventDraft, Evidence, event_id

WORDS = st.text(max_size=4)
PARTS = st.tuples(WORDS, WORDS, WORDS, st.integers(0, 99), WORDS, WORDS, st.integers(0, 99))


@given(PARTS, PARTS)
def test_ids_are_equal_only_for_equal_events(one, other):
    assert (event_id(*one) == event_id(*other)) == (one == other)


def test_parts_do_not_run_into_each_other():
    ids = {event_id("ab", "c", "s", 1, "x", "y", 11), event_id("a", "bc", "s", 11, "x", "y", 1)}
    ids |= {event_id("", "abc", "s", 1, "xy", "", 11), event_id("abc", "", "s", 1, "", "xy", 11)}
    assert len(ids) == 4


def test_an_id_never_changes_between_versions():
    """Boxes in the field count deliveries by it."""
    assert event_id("box", "door", "cam", 0, "zones", "track:7", 0) == "f785ad0c523a77d3f2d0ac6d0f9a472b"


@given(PARTS)
def test_an_id_is_32_hexadecimal_digits(parts):
    assert len(event_id(*parts)) == 32
    assert int(event_id(*parts), 16) >= 0


def test_a_draft_leaves_time_to_the_pipeline():
    draft = EventDraft(kind="zone.entered", subject="track:7")
    assert (draft.t_start_ns, draft.t_end_ns, draft.data, draft.evidence) == (None, None, {}, ())


@pytest.mark.parametrize(
    ("thing", "field"),
    [(EventDraft(kind="a"), "kind"), (Evidence(media_type="image/jpeg", data=b""), "data")],
)
def test_events_are_frozen(thing, field):
    with pytest.raises(FrozenInstanceError):
        setattr(thing, field, "b")


def test_examples_in_the_docstrings():
    assert doctest.testmod(vedette.events).failed == 0
