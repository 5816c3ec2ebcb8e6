"""The stage ``tracker``: names, rows, events, and what outlives a stop."""

import msgspec
import numpy as np
import pytest

from vedette.errors import PluginError
from vedette.pipeline.state import pack, unpack
from vedette.results import Detections, Embedding
from vedette.specs import EndingStage, SavingStage, StageInputs
from vedette.testing.conformance import StageConformance
from vedette_tracking.stages.moments import Moment
from vedette_tracking.stages.tracker import (
    APPEARANCE_TRACKER,
    TRACKER,
    AppearanceParams,
    Params,
    Tracker,
)

S = 1_000_000_000


class TestTracker(StageConformance):
    @pytest.fixture
    def spec(self):
        return TRACKER

    @pytest.fixture
    def params(self):
        return {
            "events": True,
            "minimum_consecutive_frames": 1,
            "activation_confidence": 0.1,
            "high_confidence": 0.1,
        }


class TestAppearanceTracker(StageConformance):
    @pytest.fixture
    def spec(self):
        return APPEARANCE_TRACKER


def boxes(*lefts, confidence=0.9, labels=("person",)):
    found = [(x, 100, x + 40, 190) for x in lefts]
    return Detections.of(found, [confidence] * len(lefts), [0] * len(lefts), labels=labels)


def ids(outputs):
    return [output.result.track_id.tolist() for output in outputs]


def test_rows_say_which_boxes_they_are(play):
    """The low one between is nobody's."""
    mixed = Detections.of(
        [(0, 0, 40, 90), (300, 0, 340, 90), (100, 0, 140, 90)], [0.9, 0.2, 0.8], [0, 0, 0], labels=("person",)
    )
    stage = Tracker(Params())
    first, second = play(stage, stage.start("a"), "boxes", [mixed, mixed])
    assert len(first.result) == 0
    assert first.result.track_id.shape == (0,)
    result = second.result
    assert (result.source, result.source_row.tolist()) == ("before", [0, 2])
    np.testing.assert_array_equal(result.xyxy, mixed.xyxy[[0, 2]])
    np.testing.assert_array_equal(result.confidence, mixed.confidence[[0, 2]])
    assert result.labels == ("person",)
    assert [track % 1000 for track in result.track_id.tolist()] == [1, 2]


def test_names_are_of_no_other_stream_epoch_or_start_of_a_camera(play):
    stage, films = Tracker(Params()), [boxes(0)] * 2

    def name(stream="a", **of_frame):
        (last,) = ids(play(stage, stage.start(stream), "boxes", films, stream=stream, **of_frame))[-1]
        assert 0 < last < 2**53
        return last

    runs = [name(), name(stream="b"), name(epoch=1)]
    runs += [name(live=True, begin_s=1000.0 * start) for start in range(3)]
    assert len(set(runs)) == len(runs)
    assert name() == runs[0], "the same film again is the same run"
    assert name(wall_ns=5) == runs[0], "whenever it is read"


def test_events(play):
    stage = Tracker(Params(events=True, lost_s=0.25))
    state = stage.start("a")
    films = [*[boxes(0, 200)] * 3, *[boxes(0)] * 5]
    outputs = play(stage, state, "boxes", films)
    (one, two), told = ids(outputs)[1], [list(output.events) for output in outputs]
    assert [[event.kind for event in events] for events in told] == [
        [],
        ["track.appeared"] * 2,
        *[[]] * 3,
        ["track.lost"],
        [],
        [],
    ]
    appeared, lost = told[1][0], told[5][0]
    wall = 1_700_000_000 * S
    assert (appeared.subject, appeared.t_start_ns, appeared.t_end_ns) == (f"track:{one}", wall, None)
    assert appeared.data == {"track_id": one, "class_id": 0, "label": "person"}
    assert (lost.subject, lost.t_start_ns, lost.t_end_ns) == (f"track:{two}", wall, wall + S // 5)
    assert lost.data == {"track_id": two, "class_id": 0, "label": "person", "sights": 3}
    (last,) = stage.end(state)
    assert (last.kind, last.subject, last.t_end_ns) == ("track.lost", f"track:{one}", wall + 7 * S // 10)
    assert isinstance(stage, EndingStage)


def test_no_events_unless_asked_for(play):
    stage = Tracker(Params())
    state = stage.start("a")
    assert not any(output.events for output in play(stage, state, "boxes", [boxes(0)] * 3))
    assert not list(stage.end(state))


def saved_and_loaded(stage, state, shift_ns=0):
    assert isinstance(stage, SavingStage)
    return stage.load(unpack(pack(stage.save(state)), object), shift_ns)


@pytest.mark.parametrize("stop", range(9))
def test_a_state_that_is_saved_goes_on_as_if_nothing_had_been(play, stop):
    stage = Tracker(Params(events=True, lost_s=0.25))
    films = [
        boxes(),
        boxes(0),
        boxes(4, 200),
        boxes(8, 200),
        boxes(),
        boxes(16),
        boxes(20),
        boxes(),
        boxes(28),
    ]
    whole = play(stage, stage.start("a"), "boxes", films)
    state = stage.start("a")
    parts = play(stage, state, "boxes", films[:stop])
    state = saved_and_loaded(stage, state)
    parts += play(stage, state, "boxes", films[stop:], begin_s=0.1 * stop)
    assert ids(parts) == ids(whole)
    assert [output.events for output in parts] == [output.events for output in whole]


def test_a_camera_whose_clock_began_anew(play):
    stage = Tracker(Params(events=True))
    state = stage.start("a")
    (name,) = ids(play(stage, state, "boxes", [boxes(0)] * 3, begin_s=5000, live=True))[-1]
    state.now = Moment(state.now.time_ns, state.now.wall_ns - 4990 * S)  # the wall clock did not jump with it
    state = saved_and_loaded(stage, state, shift_ns=-4990 * S)
    again = play(stage, state, "boxes", [boxes(0)] * 2, begin_s=10.5, live=True)
    assert ids(again) == [[name]] * 2
    (lost,) = stage.end(state)
    assert lost.t_start_ns == 1_700_000_000 * S + 10 * S
    assert lost.t_end_ns == 1_700_000_000 * S + 10 * S + 6 * S // 10


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain["table"].pop("motion"),
        lambda plain: plain["table"].update(motion=plain["table"]["motion"][:, :2]),
        lambda plain: plain["table"].update(number=plain["table"]["number"].astype(float)),
        lambda plain: plain.pop("begun"),
    ],
)
def test_a_state_of_another_make_is_refused(play, spoil):
    stage = Tracker(Params())
    state = stage.start("a")
    play(stage, state, "boxes", [boxes(0)] * 3)
    plain = unpack(pack(stage.save(state)), dict)
    spoil(plain)
    with pytest.raises(ValueError, match=r"tracks|begun"):
        stage.load(plain, 0)


def test_parameters_that_contradict_each_other():
    with pytest.raises(msgspec.ValidationError, match="must rise in this order"):
        msgspec.convert({"high_confidence": 0.9}, Params)


def looks(vectors, rows, source="before"):
    vector = np.array(vectors, np.float32).reshape(len(rows), 2)
    return Embedding(vector=vector, source=source, source_row=np.array(rows, np.int32))


def test_embeddings_are_joined_by_row(frame):
    """They come in another order, and one box has none."""
    stage = Tracker(AppearanceParams())
    state = stage.start("a")

    def process(second, found, seen):
        inputs = StageInputs(
            frame=frame(second),
            results={"boxes": found, "appearance": seen},
            stages={"boxes": "before", "appearance": "who"},
        )
        return stage.process(inputs, state).result.track_id.tolist()

    red, blue = [1, 0], [0, 1]
    for n in range(5):
        names = process(n / 10, boxes(0, 60, 400), looks([blue, red], [1, 0]))
    assert len(names) == 3
    process(0.6, boxes(), looks([], []))
    swapped = process(1.0, boxes(0, 60, 400), looks([blue, red], [0, 1]))
    assert swapped == [names[1], names[0], names[2]]


def test_embeddings_of_other_boxes_are_refused(frame):
    stage = Tracker(AppearanceParams())
    inputs = StageInputs(
        frame=frame(0),
        results={"boxes": boxes(0), "appearance": looks([[1, 0]], [0], source="faces")},
        stages={"boxes": "people", "appearance": "who"},
    )
    with pytest.raises(PluginError, match=r"rows of 'faces', not of 'people'"):
        stage.process(inputs, stage.start("a"))
