"""The stage ``activity``: labels, times and what goes on over a stop."""

import msgspec
import numpy as np
import pytest

from vedette.errors import PluginError
from vedette.frame import Clock, Frame, Packed
from vedette.pipeline.state import pack, unpack
from vedette.results import ClipPrediction
from vedette.specs import EndingStage, SavingStage, StageInputs
from vedette_rnn.stages.activity import Activity, Params

S = 1_000_000_000
LABELS = ("walk", "fight")
BASE = 1_700_000_000 * S


def frame(second: float) -> Frame:
    """Of a file that is read faster than it was filmed: its wall clock says when it was read."""
    clock = Clock(mono_ns=0, wall_ns=BASE + round(second * S / 10), media_ns=round(second * S), origin="pts")
    image = Packed("gray8", np.zeros((2, 2), np.uint8))
    return Frame(stream="a", epoch=0, ticket=0, seq=0, size_wh=(2, 2), clock=clock, image=image)


def prediction(*rows, labels=LABELS):
    scores = np.array(rows, np.float32).reshape(len(rows), -1)
    order = np.argsort(-scores, axis=1)
    return ClipPrediction(
        class_id=order.astype(np.int32),
        confidence=np.take_along_axis(scores, order, axis=1),
        window_ns=np.zeros((len(rows), 2), np.int64),
        labels=labels,
    )


def play(stage, state, scores, begin=0.0, step_s=0.5):
    events = []
    for n, row in enumerate(scores):
        inputs = StageInputs(frame=frame(begin + n * step_s), results={"scores": prediction(row)})
        events += stage.process(inputs, state).events
    return events


def test_labels_start_and_end_by_themselves_with_times_of_capture():
    stage = Activity(Params(smooth_s=0, min_s=1, merge_s=0.5))
    state = stage.start("a")
    events = play(stage, state, [(0, 1), (0, 1), (1, 1), (1, 0), (1, 0), (1, 0), (1, 0)])
    events += stage.end(state)
    told = [(e.kind, e.subject, e.data["start_s"], e.data.get("end_s")) for e in events]
    assert told == [
        ("activity.started", "fight", 0.0, None),
        ("activity.started", "walk", 1.0, None),
        ("activity.ended", "fight", 0.0, 1.5),
        ("activity.ended", "walk", 1.0, 3.0),
    ]
    started, ended = events[0], events[2]
    assert (
        started.t_start_ns == ended.t_start_ns == BASE + S // 10 - S
    )  # read at 0.1 s, begun 1 s of capture before
    assert ended.t_end_ns - ended.t_start_ns == 1.5 * S
    assert started.t_end_ns is None


def test_only_watched_labels_are_told():
    stage = Activity(Params(labels=("fight",), smooth_s=0, min_s=0))
    events = play(stage, stage.start("a"), [(1, 1), (1, 1)])
    assert {event.subject for event in events} == {"fight"}


@pytest.mark.parametrize("stop", range(9))
def test_a_state_that_is_saved_goes_on_as_if_nothing_had_been(stop):
    stage = Activity(Params(smooth_s=0.7, min_s=1, merge_s=0.5))
    assert isinstance(stage, SavingStage)
    assert isinstance(stage, EndingStage)
    scores = [(0, 1), (1, 1), (1, 0.9), (1, 0), (0, 0), (0, 0), (1, 1), (1, 1), (1, 0)]
    state = stage.start("a")
    whole = [*play(stage, state, scores), *stage.end(state)]
    state = stage.start("a")
    events = play(stage, state, scores[:stop])
    state = stage.load(unpack(pack(stage.save(state)), object), 0)
    events += [*play(stage, state, scores[stop:], begin=stop * 0.5), *stage.end(state)]
    assert events == whole


def test_a_camera_whose_clock_began_anew_goes_on():
    stage = Activity(Params(smooth_s=0.7, min_s=1, merge_s=0.5))
    state = stage.start("a")
    play(stage, state, [(0, 1)] * 4, begin=100.0)
    state = stage.load(unpack(pack(stage.save(state)), object), -100 * S)
    play(stage, state, [(0, 1)], begin=2.0)
    (ended,) = stage.end(state)
    assert (ended.data["start_s"], ended.data["end_s"]) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("params", "result", "message"),
    [
        ({"labels": ("dance",)}, prediction((0, 1)), r"no label 'dance'(.|\n)*walk, fight"),
        ({}, prediction((0, 1), (1, 0)), "2 answers for one frame"),
        ({}, prediction((0.7,), labels=LABELS), r"leaves out 'fight'(.|\n)*top_k"),
    ],
)
def test_an_answer_that_it_cannot_use_is_refused(params, result, message):
    stage = Activity(Params(**params))
    with pytest.raises(PluginError, match=message):
        stage.process(StageInputs(frame=frame(0), results={"scores": result}), stage.start("a"))


def test_thresholds_the_wrong_way_round_are_refused():
    with pytest.raises(msgspec.ValidationError, match="off must not be above on"):
        msgspec.convert({"on": 0.3, "off": 0.5}, Params)
