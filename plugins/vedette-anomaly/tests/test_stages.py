"""The stages behind the decoder: scores smoothed by time, regions, and one event per anomaly."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from vedette.errors import PluginError
from vedette.frame import Clock, Frame, Packed
from vedette.results import AnomalyMap
from vedette.specs import StageInputs
from vedette.testing.conformance import StageConformance
from vedette_anomaly.stages import events, regions, smooth

PIXELS = Packed("bgr", np.full((48, 64, 3), 90, np.uint8))


def packet(score, at_s, heat=None, rows=1):
    clock = Clock(mono_ns=0, wall_ns=int(1e18 + at_s * 1e9), media_ns=int(at_s * 1e9))
    frame = Frame(stream="s", epoch=0, ticket=0, seq=0, size_wh=(64, 48), clock=clock, image=PIXELS)
    heat = np.full((1, 4, 6), score, np.float32) if heat is None else heat[None].astype(np.float32)
    found = AnomalyMap(
        score=np.full(rows, score, np.float32),
        heat=np.repeat(heat, rows, axis=0),
        xyxy=np.repeat(np.array([[2, 4, 62, 44]], np.float32), rows, axis=0),
    )
    return StageInputs(frame=frame, results={"anomaly": found})


def packets(scores, rate=10.0):
    return [packet(score, number / rate) for number, score in enumerate(scores)]


class OfMaps(StageConformance):
    @pytest.fixture
    def inputs(self):
        return packets([0, 0.5, 2, 2, 3, 0.1, 0.2, 0.1, *[0] * 12, 1.5, 2, 0, 0])


class TestSmooth(OfMaps):
    @pytest.fixture
    def spec(self):
        return smooth.SPEC


class TestRegions(OfMaps):
    @pytest.fixture
    def spec(self):
        return regions.SPEC


class TestEvents(OfMaps):
    @pytest.fixture
    def spec(self):
        return events.SPEC


def run_smooth(items, params=smooth.Params()):  # noqa: B008 - frozen
    stage = smooth.Smooth(params)
    state = stage.start("s")
    return [float(stage.process(item, state).score[0]) for item in items]


def test_at_ten_frames_per_second_each_new_score_weighs_a_fifth():
    scores = [1.0, 0.0, 0.0, 5.0]
    expected = [1.0, 0.8, 0.64, 0.64 + 0.2 * (5 - 0.64)]
    assert run_smooth(packets(scores)) == pytest.approx(expected, rel=1e-3)


def test_smoothing_goes_by_time_and_not_by_frames():
    dense = [packet(1.0 if at == 0 else 0.0, at / 20) for at in range(21)]
    sparse = [packet(1.0, 0.0), packet(0.0, 1.0)]
    assert run_smooth(dense)[-1] == pytest.approx(run_smooth(sparse)[-1], rel=1e-6)
    assert run_smooth(sparse)[-1] == pytest.approx(exp(-1 / 0.448), rel=1e-6)


def test_a_map_without_a_row_passes_and_changes_nothing():
    stage = smooth.Smooth(smooth.Params())
    state = stage.start("s")
    stage.process(packet(1.0, 0.0), state)
    nothing = replace(packet(0.0, 0.1), results={"anomaly": AnomalyMap.empty()})
    assert len(stage.process(nothing, state)) == 0
    assert state.score == 1.0


def test_several_rows_are_refused_because_nothing_says_which_is_which():
    with pytest.raises(PluginError, match="one score per frame, and there are 2"):
        smooth.Smooth(smooth.Params()).process(packet(1.0, 0.0, rows=2), smooth.State())


def test_regions_are_connected_cells_above_the_limit_as_boxes_of_the_frame():
    heat = np.zeros((4, 6))
    heat[0:2, 0:2], heat[3, 4:6] = 2, 5
    found = regions.Regions(regions.Params()).process(packet(5.0, 0.0, heat), None)
    assert found.xyxy.tolist() == [
        [42, 34, 62, 44],
        [2, 4, 22, 24],
    ]  # the hottest first; cells of 10 x 10 pixels
    assert found.confidence.tolist() == pytest.approx([1 - 1 / 6, 1 - 1 / 3])
    larger = regions.Regions(regions.Params(least=3)).process(packet(5.0, 0.0, heat), None)
    assert len(larger) == 1


def test_cells_that_only_touch_at_a_corner_are_two_regions():
    heat = np.zeros((4, 6))
    heat[0, 0] = heat[1, 1] = 2
    assert len(regions.regions_of(heat.astype(np.float32), 1.0)) == 2


def run_events(items, **params):
    stage = events.Events(events.Params(**params))
    state = stage.start("s")
    said = [
        (number, draft) for number, item in enumerate(items) for draft in stage.process(item, state).events
    ]
    return said, list(stage.end(state))


def test_one_anomaly_is_one_event_that_begins_and_ends():
    scores = [0] * 5 + [1.5, 2, 0.9, 1.6] + [0.1] * 30
    said, last = run_events(packets(scores))
    assert [(number, draft.kind) for number, draft in said] == [(5, events.STARTED), (19, events.ENDED)]
    started, ended = (draft for _, draft in said)
    assert started.t_start_ns == int(1e18 + 0.5e9)
    assert ended.t_start_ns == started.t_start_ns
    assert ended.t_end_ns == int(1e18 + 0.9e9)  # when it became low, not when that was sure
    assert ended.data["peak"] == 2
    assert last == []


def test_a_short_dip_does_not_end_it_and_a_short_rise_does_not_begin_it():
    dip = [2] * 5 + [0] * 5 + [2] * 5 + [0] * 20
    said, _ = run_events(packets(dip), hold_s=1.0)
    assert [draft.kind for _, draft in said] == [events.STARTED, events.ENDED]
    said, _ = run_events(packets([0, 2, 2, 0] * 3), least_s=0.3)
    assert said == []


def test_between_release_and_threshold_nothing_ends():
    said, last = run_events(packets([2] + [0.9] * 40))
    assert [draft.kind for _, draft in said] == [events.STARTED]
    assert [draft.kind for draft in last] == [events.ENDED]


def test_the_beginning_carries_a_picture_and_the_place():
    heat = np.zeros((4, 6))
    heat[3, 4:6] = 5
    said, _ = run_events([packet(5.0, 0.0, heat)])
    draft = said[0][1]
    assert draft.data["xyxy"] == [42, 34, 62, 44]
    assert draft.evidence[0].media_type == "image/png"
    assert draft.evidence[0].data.startswith(b"\x89PNG")
    plain, _ = run_events([packet(5.0, 0.0, heat)], picture=False)
    assert plain[0][1].evidence == ()


def test_saved_state_goes_on_where_it_was():
    scores = [0] * 3 + [2] * 4 + [0] * 20
    whole, _ = run_events(packets(scores))
    stage = events.Events(events.Params())
    state, said = stage.start("s"), []
    for number, item in enumerate(packets(scores)):
        if number == 9:
            state = stage.load(stage.save(state), 0)
        said += [(number, draft.kind) for draft in stage.process(item, state).events]
    assert said == [(number, draft.kind) for number, draft in whole]
    smoothing = smooth.Smooth(smooth.Params())
    memory = smooth.State(0.5, 100)
    assert smoothing.load(smoothing.save(memory), 7) == smooth.State(0.5, 107)
