"""The stage ``zones``: who enters, stays, leaves and crosses; counts that add up, and what resets them."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import PluginError
from vedette.frame import Clock, Frame, Packed
from vedette.pipeline.state import pack, unpack
from vedette.results import Detections
from vedette.specs import ContinuingStage, EndingStage, SavingStage, StageInputs
from vedette.testing.conformance import StageConformance
from vedette_tracking.stages.areas import Params
from vedette_tracking.stages.zones import SPEC, Zones

S = 1_000_000_000
WALL = 1_700_000_000 * S
ROOM = {"name": "room", "polygon": [[100, 100], [300, 100], [300, 300], [100, 300]]}
GATE = {
    "name": "gate",
    "start": [200, 400],
    "end": [200, 0],
}  # looks up: its right side is the picture's right
OUT, IN = (50, 200), (200, 200)


def zones(**params):
    return Zones(msgspec.convert(params, Params))


class TestZones(StageConformance):
    @pytest.fixture
    def spec(self):
        return SPEC

    @pytest.fixture
    def params(self):
        return {"zone": [{**ROOM, "polygon": [[0, 0], [64, 0], [64, 20]], "dwell_s": 0.1}], "line": [GATE]}


def told(outputs):
    return [[(event.kind, event.data["track_id"]) for event in output.events] for output in outputs]


def counts(output):
    """``(zone, class_id, present, in, out)`` per row."""
    table = output.result
    columns = (table.zone, table.class_id, table.present, table.in_count, table.out_count)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_visit(play, tracked):
    stage = zones(zone=[{**ROOM, "dwell_s": 0.25}])
    path = [OUT, IN, IN, IN, IN, IN, OUT]
    outputs = play(stage, stage.start("a"), "tracks", [tracked({7: xy}) for xy in path])
    assert told(outputs) == [
        [],
        [("zone.entered", 7)],
        [],
        [],
        [("zone.dwell", 7)],
        [],
        [("zone.left", 7)],
    ]
    entered, dwell, left = (outputs[n].events[0] for n in (1, 4, 6))
    who = {"zone": "room", "track_id": 7, "class_id": 0, "label": "person"}
    assert entered.data == {**who, "in_count": 1, "out_count": 0}
    assert dwell.data == {**who, "dwell_s": 0.3, "in_count": 1, "out_count": 0}
    assert left.data == {**who, "dwell_s": 0.4, "reason": "left", "in_count": 1, "out_count": 1}
    assert entered.subject == dwell.subject == left.subject == "track:7"
    assert left.t_start_ns == dwell.t_start_ns == WALL + S // 10
    assert left.t_end_ns == WALL + S // 2
    assert [counts(output) for output in outputs[::3]] == [[], [(0, 0, 1, 1, 0)], [(0, 0, 0, 1, 1)]]


def test_who_trembles_on_the_edge_enters_once(play, tracked):
    """The margin is 5 of the box's 100 pixels."""
    stage = zones(zone=[ROOM])
    path = [(101, 200), (99, 200), (101, 200), (96, 200), (101, 200), (94, 200)]
    outputs = play(stage, stage.start("a"), "tracks", [tracked({7: xy}) for xy in path])
    assert told(outputs) == [[("zone.entered", 7)], [], [], [], [], [("zone.left", 7)]]


def test_who_vanishes_in_a_zone_has_left_it(play, tracked):
    stage = zones(zone=[ROOM], lost_s=0.35)
    films = [tracked({7: IN}), tracked({7: IN}), *[tracked({})] * 4]
    outputs = play(stage, stage.start("a"), "tracks", films)
    assert told(outputs) == [[("zone.entered", 7)], [], [], [], [], [("zone.left", 7)]]
    left = outputs[-1].events[0]
    assert (left.data["reason"], left.data["dwell_s"]) == ("lost", 0.1)
    assert left.t_end_ns == WALL + S // 10
    assert counts(outputs[-1]) == [(0, 0, 0, 1, 1)]


def test_who_is_there_at_the_end_leaves(play, tracked):
    stage = zones(zone=[ROOM])
    state = stage.start("a")
    play(stage, state, "tracks", [tracked({7: IN})] * 3)
    assert isinstance(stage, EndingStage)
    (left,) = stage.end(state)
    assert (left.kind, left.data["reason"], left.data["out_count"]) == ("zone.left", "end", 1)


def test_a_line_counts_by_direction_and_class(play, tracked):
    stage = zones(line=[GATE])
    state = stage.start("a")
    outputs = play(stage, state, "tracks", [tracked({7: (150, 200)}), tracked({7: (250, 200)})])
    (event,) = outputs[1].events
    assert (event.kind, event.subject) == ("line.crossed", "track:7")
    assert event.data == {
        "line": "gate",
        "direction": "in",
        "track_id": 7,
        "class_id": 0,
        "label": "person",
        "in_count": 1,
        "out_count": 0,
    }
    cars = [tracked({8: xy}, class_id=1) for xy in ((250, 100), (150, 100))]
    outputs = play(stage, state, "tracks", cars, begin_s=0.2)
    assert outputs[1].events[0].data["direction"] == "out"
    assert counts(outputs[1]) == [(0, 0, 0, 1, 0), (0, 1, 0, 0, 1)]


def test_who_was_lost_before_a_line_did_not_cross_it(play, tracked):
    stage = zones(line=[GATE], lost_s=0.5)
    films = [tracked({7: (150, 200)}), *[tracked({})] * 7, tracked({7: (250, 200)})]
    assert not any(told(play(stage, stage.start("a"), "tracks", films)))


def test_classes_and_thresholds_per_class(play, tracked):
    stage = zones(
        zone=[
            {**ROOM, "name": "cars", "classes": ["car"]},
            {**ROOM, "name": "sure", "minimum_confidence": {"person": 0.95, "*": 0.5}},
            {**ROOM, "name": "slow", "dwell_s": {"car": 0.1}},
        ]
    )
    state = stage.start("a")
    play(stage, state, "tracks", [tracked({7: IN})] * 3)
    outputs = play(stage, state, "tracks", [tracked({8: IN}, class_id=1)] * 3, begin_s=0.3)
    assert [event.data["zone"] for event in outputs[0].events] == ["cars", "sure", "slow"]
    assert told(outputs)[1] == [("zone.dwell", 8)]
    assert counts(outputs[-1]) == [(0, 1, 1, 1, 0), (1, 1, 1, 1, 0), (2, 0, 1, 1, 0), (2, 1, 1, 1, 0)]


def test_a_picture_of_another_size(play, tracked):
    """The camera now gives half of what the zone was drawn on."""
    stage = zones(zone=[ROOM], drawn_on=[1280, 960])
    outputs = play(stage, stage.start("a"), "tracks", [tracked({7: (140, 60)}), tracked({8: (160, 60)})])
    assert told(outputs) == [[("zone.entered", 7)], []]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"dwell_s": 5.0, "margin": 0.2, "classes": ["person"], "minimum_confidence": 0.3}, True),
        ({"polygon": [[100, 100], [301, 100], [300, 300]]}, False),
    ],
)
def test_only_a_zone_whose_shape_changes_begins_anew(play, tracked, change, kept):
    before = {"zone": [ROOM, {**ROOM, "name": "hall"}], "line": [GATE]}
    stage = zones(**before)
    state = stage.start("a")
    path = [(50, 200), (150, 200), (250, 200)]
    play(stage, state, "tracks", [tracked({7: xy}) for xy in path])
    changed = msgspec.convert({**before, "zone": [{**ROOM, **change}, before["zone"][1]]}, Params)
    assert SPEC.state_key(changed) == SPEC.state_key(msgspec.convert(before, Params))
    (output,) = play(Zones(changed), state, "tracks", [tracked({})], begin_s=0.3)
    rest = [(1, 0, 1, 1, 0), (2, 0, 0, 1, 0)]
    assert counts(output) == [*([(0, 0, 1, 1, 0)] if kept else []), *rest]


def test_a_line_that_is_moved_begins_anew(play, tracked):
    before, after = zones(zone=[ROOM], line=[GATE]), zones(zone=[ROOM], line=[{**GATE, "end": [210, 0]}])
    state = before.start("a")
    play(before, state, "tracks", [tracked({7: (150, 200)}), tracked({7: (250, 200)})])
    (output,) = play(after, state, "tracks", [tracked({7: (250, 200)})], begin_s=0.2)
    assert counts(output) == [(0, 0, 1, 1, 0)]


def test_a_zone_that_is_taken_away_and_comes_back_begins_anew(play, tracked):
    both, one = zones(zone=[ROOM], line=[GATE]), zones(line=[GATE])
    state = both.start("a")
    play(both, state, "tracks", [tracked({7: IN})])
    play(one, state, "tracks", [tracked({7: IN})], begin_s=0.1)
    assert not one.end(state)
    (output,) = play(both, state, "tracks", [tracked({})], begin_s=0.2)
    assert counts(output) == []


def test_counts_go_on_in_the_next_epoch(play, tracked):
    """A camera that was away: nobody is there any more, and nothing is forgotten."""
    stage = zones(zone=[ROOM], line=[GATE])
    assert isinstance(stage, ContinuingStage)
    state = stage.start("a")
    play(stage, state, "tracks", [tracked({7: (150, 200)}), tracked({7: (250, 200)})])
    assert [event.data["reason"] for event in stage.end(state)] == ["end"]
    state = stage.renew(state)
    (output,) = play(stage, state, "tracks", [tracked({9: IN})], epoch=1)
    assert counts(output) == [(0, 0, 1, 2, 1), (1, 0, 0, 1, 0)]


PATH = [(50, 200), (150, 200), (150, 200), (250, 200), (350, 200), (250, 200), (50, 200)]


@pytest.mark.parametrize("stop", range(len(PATH)))
@pytest.mark.parametrize("shift_s", [0, 500])
def test_a_state_that_is_saved_goes_on_as_if_nothing_had_been(play, tracked, stop, shift_s):
    stage = zones(zone=[{**ROOM, "dwell_s": 0.15}], line=[GATE])
    assert isinstance(stage, SavingStage)
    films = [tracked({2**50 + 7: xy}) for xy in PATH]
    whole = play(stage, stage.start("a"), "tracks", films)
    state = stage.start("a")
    parts = play(stage, state, "tracks", films[:stop])
    state = stage.load(unpack(pack(stage.save(state)), object), shift_s * S)
    at_s = 0.1 * stop
    for film in films[stop:]:
        wall_ns = WALL + round(at_s * S)
        parts += play(stage, state, "tracks", [film], begin_s=at_s + shift_s, wall_ns=wall_ns)
        at_s += 0.1
    assert [output.events for output in parts] == [output.events for output in whole]
    assert counts(parts[-1]) == counts(whole[-1])


places = st.dictionaries(st.integers(1, 4), st.tuples(st.floats(0, 400), st.floats(0, 400)), max_size=4)


@given(st.lists(st.tuples(st.floats(0, 3), places), max_size=30))
def test_counts_always_add_up(films):
    """Whoever comes in goes out, once; and the events tell the same as the counts."""
    stage = zones(zone=[ROOM], line=[GATE], lost_s=2.0)
    state, time_s, inside, events = stage.start("a"), 0.0, set(), []
    for seconds, feet in films:
        time_s += seconds
        clock = Clock(mono_ns=round(time_s * S), wall_ns=WALL)
        image = Packed("gray8", np.zeros((2, 2), np.uint8))
        frame = Frame(stream="a", epoch=0, ticket=0, seq=0, size_wh=(640, 480), clock=clock, image=image)
        boxes = [(x - 20, y - 100, x + 20, y) for x, y in feet.values()]
        tracks = Detections.of(
            boxes, [0.9] * len(feet), [0] * len(feet), track_id=np.array(list(feet), np.int64)
        )
        output = stage.process(StageInputs(frame=frame, results={"tracks": tracks}), state)
        for event in output.events:
            if event.kind == "zone.entered":
                assert event.data["track_id"] not in inside
                inside.add(event.data["track_id"])
            elif event.kind == "zone.left":
                inside.remove(event.data["track_id"])
        events += output.events
        rows = {zone: (present, ins, outs) for zone, _, present, ins, outs in counts(output)}
        assert rows.get(0, (0, 0, 0))[0] == len(inside)
        for zone, kinds in (0, ("zone.entered", "zone.left")), (1, ("in", "out")):
            happened = [event.data.get("direction", event.kind) for event in events]
            assert rows.get(zone, (0, 0, 0))[1:] == tuple(happened.count(kind) for kind in kinds)
    for event in stage.end(state):
        inside.remove(event.data["track_id"])
    assert not inside


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "at least one zone or line"),
        ({"zone": [ROOM], "line": [{**GATE, "name": "room"}]}, "'room' is the name of more than one"),
        (
            {"zone": [{**ROOM, "polygon": [[0, 0], [5, 5], [9, 9]]}]},
            "zone 'room': polygon needs three corners",
        ),
        ({"zone": [{**ROOM, "polygon": [[0, 0], [5, 5]]}]}, "zone 'room': polygon needs three corners"),
        ({"line": [{**GATE, "end": [200, 400]}]}, "line 'gate': start and end are the same"),
        ({"zone": [{**ROOM, "polygone": []}]}, "polygone"),
        ({"zone": [ROOM], "anchor": "feet"}, "feet"),
    ],
)
def test_parameters_that_make_no_sense(params, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(params, Params)


def test_boxes_without_tracks_are_refused(play):
    stage = zones(zone=[ROOM])
    untracked = Detections.of([(0, 0, 1, 1)], [1], [0])
    with pytest.raises(PluginError, match="no track_id"):
        play(stage, stage.start("a"), "tracks", [untracked])
    play(stage, stage.start("a"), "tracks", [Detections.empty()])
