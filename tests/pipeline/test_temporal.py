"""Time: models look at samples by capture time, and whole-clip models at the last so many of them."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bundle.manifest import Graph, Input, Output, ResultFeed, Temporal, TensorFeed, parse_manifest
from vedette.errors import BundleError, ConfigError
from vedette.frame import Clock
from vedette.model.single import Model
from vedette.packet import NotRun, Ran
from vedette.pipeline.sampling import GAP, NEW_EPOCH, TIME_WENT_BACK, Timeline, look, sample_runs
from vedette.results import Classification, ClipPrediction, Detections, Keypoints
from vedette.specs import Capture

MS = 1_000_000
TEN_HZ = Temporal(rate_hz=10, tolerance=0.25, max_gap_ms=500)


def times(*ms: float) -> list[int]:
    return [round(value * MS) for value in ms]


# --- the rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [12, 15, 23.976, 25, 29.97, 30, 50, 60, 120])
def test_any_frame_rate_gives_as_many_samples_per_second(fps):
    (run,) = sample_runs([round(n * 1e9 / fps) for n in range(int(fps * 20))], TEN_HZ)
    taken = np.array(run) / fps
    assert len(taken) == pytest.approx(200, abs=1)
    assert np.abs(taken - np.arange(len(taken)) / 10).max() <= max(0.025, 1 / fps) + 1e-6


def test_a_stream_at_the_very_rate_is_taken_whole_whatever_its_rounding():
    ticks = [round(n * 1000 / 10.0 + (n * 7 % 3 - 1)) * MS for n in range(100)]
    assert sample_runs(ticks, TEN_HZ) == [list(range(100))]


def test_without_tolerance_rounded_time_stamps_still_count():
    assert sample_runs([33_333_333 * n for n in range(31)], Temporal(rate_hz=30, tolerance=0)) == [
        list(range(31))
    ]


def test_a_variable_frame_rate_is_sampled_by_time():
    stamps = times(0, 10, 20, 30, 95, 96, 97, 205, 290, 310, 320, 330, 400)
    assert sample_runs(stamps, TEN_HZ) == [[0, 4, 7, 8, 12]]


def test_gaps_and_time_that_goes_back_begin_a_new_run():
    stamps = times(0, 100, 200, 800, 900, 850, 950, 950)
    assert sample_runs(stamps, TEN_HZ) == [[0, 1, 2], [3, 4], [5, 6]]
    line = Timeline()
    reasons = [look(line, TEN_HZ, 0, stamp).reset for stamp in stamps]
    assert reasons == ["", "", "", GAP, "", TIME_WENT_BACK, "", ""]
    assert look(line, TEN_HZ, 1, 0).reset == NEW_EPOCH


def test_time_that_goes_back_by_less_than_a_period_counts_too():
    """Between two samples: nobody may be handed a negative gap, and none may be hidden."""
    assert sample_runs(times(0, 100, 140, 130, 230), TEN_HZ) == [[0, 1], [3, 4]]


def test_what_is_missed_and_what_is_late_is_told():
    line = Timeline()
    looks = [look(line, TEN_HZ, 0, stamp) for stamp in times(0, 100, 420, 500)]
    assert [item.missed for item in looks] == [0, 0, 2, 0]
    assert [item.late for item in looks] == [False] * 4
    assert look(line, TEN_HZ, 0, 650 * MS).late


@given(st.lists(st.integers(0, 3 * 10**9), max_size=60), st.floats(0.5, 60), st.floats(0, 0.9))
def test_samples_are_never_more_than_the_rate_allows(stamps, rate_hz, tolerance):
    temporal = Temporal(rate_hz=rate_hz, tolerance=tolerance, max_gap_ms=4000)
    runs = sample_runs(stamps, temporal)
    assert sorted(index for run in runs for index in run) == [index for run in runs for index in run]
    for run in runs:
        taken = np.array([stamps[index] for index in run])
        assert (np.diff(taken) > 0).all()
        assert len(run) <= (taken[-1] - taken[0]) / 1e9 * rate_hz + tolerance + 1.01


# --- in a pipeline ------------------------------------------------------------------------------------------------


@pytest.fixture
def at(picture):
    """Captures of pictures of value 1, 2, 3 ... at times of the medium."""

    def captures(*ms: float, epoch=lambda n: 0):
        return [
            Capture(
                image=picture(n + 1),
                clock=Clock(mono_ns=n, wall_ns=n, media_ns=round(value * MS), origin="pts"),
                seq=n,
                epoch=epoch(n),
            )
            for n, value in enumerate(ms)
        ]

    return captures


@pytest.fixture
def play(kit, list_source, decode_value):
    """Run one stream through a bundle ``m``; its outcomes, and the summary."""

    def run(captures, **config):
        sink = kit.sink()
        kit.source("list", lambda: list_source(captures))
        with kit.pipeline(
            stream=[{"name": "a", "source": "list://"}],
            stage=config.pop("stage", [{"name": "m", "bundle": "net"}]),
            sink=[{"use": "collect"}],
            **config,
        ) as pipeline:
            summary = pipeline.run()
        return [packet.outcome["m"] for packet in sink.packets], summary

    return run


def values(outcomes) -> list:
    return [
        outcome.reason if isinstance(outcome, NotRun) else float(outcome.result.confidence[0, 0])
        for outcome in outcomes
    ]


def test_a_recurrent_stage_steps_by_time_and_says_what_it_passed_over(
    kit, at, play, sum_step, decode_value, caplog
):
    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("net", {"step": sum_step}, "value", temporal=TEN_HZ)
    caplog.set_level(logging.INFO, "vedette.pipeline")
    outcomes, summary = play(at(0, 40, 80, 120, 200, 900, 1000, 980, 990))
    assert values(outcomes) == [1.0, "rate", 4.0, "rate", 9.0, 6.0, 13.0, 8.0, "rate"]
    stage = summary.stages["m"]
    assert stage["resets"] == {GAP: 1, TIME_WENT_BACK: 1}
    assert stage["outcomes"] == {"ran": 6, "not_run:rate": 3}
    told = [record.message for record in caplog.records if "afresh" in record.message]
    assert told == [
        "stream 'a', stage 'm': state starts afresh: a gap of 700.0 ms, longest allowed 500 ms",
        "stream 'a', stage 'm': state starts afresh: time went back by 20.0 ms",
    ]


def test_state_is_reset_at_each_epoch_and_said_once_for_a_model_of_two_graphs(
    kit, at, play, mean_graph, decode_value, caplog
):
    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("net", {"cnn": mean_graph, "step": feature_sum()}, "value", temporal=TEN_HZ)
    caplog.set_level(logging.INFO, "vedette.pipeline")
    outcomes, summary = play(at(0, 100, 200, 0, 100, 200, epoch=lambda n: n // 3))
    assert values(outcomes) == [1, 3, 6, 4, 9, 15]
    assert summary.stages["m"]["resets"] == {NEW_EPOCH: 1}
    assert sum("afresh" in record.message for record in caplog.records) == 1


def test_frames_that_come_too_seldom_are_said_and_counted(kit, at, play, sum_step, decode_value, caplog):
    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("net", {"step": sum_step}, "value", temporal=TEN_HZ)
    _, summary = play(at(0, 200, 400, 600))
    assert summary.stages["m"]["samples"] == {"missed": 3}
    assert sum("too seldom for 10 Hz" in record.message for record in caplog.records) == 1


def test_a_model_that_looks_by_time_refuses_to_count_frames(kit, at, play, mean_graph, decode_value):
    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("net", {"net": mean_graph}, "value", temporal=TEN_HZ)
    with pytest.raises(ConfigError, match=r"every = 2 counts frames, but the model looks by time, 10 times"):
        play(at(0), stage=[{"name": "m", "bundle": "net", "every": 2}])


# --- clips --------------------------------------------------------------------------------------------------------


def feature_sum():
    """``x (n, 1), h (n, 1) -> h2 (n, 1)``: a running sum of what the graph ``cnn`` gives."""
    from vedette.bundle.manifest import StateFeed, StatePair

    graph = Graph(
        inputs={
            "x": Input(dtype="float32", shape=(None, 1), feed=TensorFeed(graph="cnn", output="y")),
            "h": Input(dtype="float32", shape=(None, 1), feed=StateFeed()),
        },
        outputs={"h2": Output(dtype="float32", shape=(None, 1))},
        state=(StatePair(input="h", output="h2"),),
    )
    return graph, lambda inputs: {"h2": inputs["h"] + inputs["x"]}


def clip_graph(shape, feed):
    """``x (n, t, ...) -> y (n, 1)``: the samples' means as the digits of a number, the oldest first."""
    graph = Graph(
        inputs={"x": Input(dtype="float32", shape=shape, feed=feed, clip=True)},
        outputs={"y": Output(dtype="float32", shape=(None, 1))},
    )

    def digits(inputs):
        means = inputs["x"].reshape(*inputs["x"].shape[:2], -1).mean(axis=2)
        return {"y": (means @ 10.0 ** np.arange(means.shape[1])[::-1])[:, None].astype(np.float32)}

    return graph, digits


def clip_result(outputs, affines, size_wh, params):
    value = outputs["y"]
    return ClipPrediction(
        class_id=np.zeros((len(value), 1), np.int32),
        confidence=value[:, :1],
        window_ns=np.zeros((len(value), 2), np.int64),
        source_row=np.arange(len(value), dtype=np.int32),
    )


CONSTANT = {"from": "constant", "value": np.zeros((3, 2, 4, 3)).tolist()}
CLIP = Temporal(rate_hz=10, tolerance=0.25, window=3, stride=2, max_gap_ms=500)


def test_a_clip_is_the_last_samples_and_is_due_every_stride(kit, at, play, mean_graph):
    kit.postprocess("clip", ClipPrediction, clip_result)
    feed = mean_graph[0].inputs["x"].feed
    kit.bundle("net", {"net": clip_graph((None, 3, 2, 4, 3), feed)}, "clip", temporal=CLIP)
    outcomes, summary = play(at(0, 50, 100, 200, 300, 400, 500, 600))
    assert values(outcomes) == ["window", "rate", "window", 134, "window", 456, "window", 678]
    windows = [o.result.window_ns.tolist() for o in outcomes if isinstance(o, Ran)]
    assert windows == [[times(0, 200)], [times(200, 400)], [times(400, 600)]]
    assert summary.stages["m"]["samples"] == {}


def test_a_clip_of_features_runs_the_network_per_sample_and_the_head_per_clip(kit, at, play, mean_graph):
    kit.postprocess("clip", ClipPrediction, clip_result)
    head = clip_graph((None, 3, 1), TensorFeed(graph="cnn", output="y"))
    kit.bundle("net", {"cnn": mean_graph, "head": head}, "clip", temporal=CLIP)
    outcomes, _ = play(at(0, 100, 200, 300, 400))
    assert values(outcomes) == ["window", "window", 123, "window", 345]


def test_a_video_shorter_than_the_window_gives_no_answer_and_one_line(kit, at, play, mean_graph, caplog):
    kit.postprocess("clip", ClipPrediction, clip_result)
    feed = mean_graph[0].inputs["x"].feed
    kit.bundle("net", {"net": clip_graph((None, 3, 2, 4, 3), feed)}, "clip", temporal=CLIP)
    caplog.set_level(logging.WARNING, "vedette.pipeline")
    outcomes, summary = play(at(0, 100, 0, 100, 200, 0, epoch=lambda n: (0, 0, 1, 1, 1, 2)[n]))
    assert values(outcomes) == ["window", "window", "window", "window", 345, "window"]
    told = [record.message for record in caplog.records if record.name == "vedette.pipeline"]
    assert told == [
        f"stream 'a', stage 'm': not run: shorter than the window: {have} of 3 frames at 10 Hz"
        for have in (2, 1)
    ]
    assert summary.stages["m"]["samples"] == {"short": 2}


def test_each_track_has_a_clip_of_its_own(kit, at, play, mean_graph):
    """Track 7 is there all the time, track 9 comes later: their clips are due at different times."""
    seen = iter([[7], [7, 9], [9, 7], [7, 9], [9]])

    def track(inputs, state):
        ids = next(seen)
        boxes = [[0, 0, 8, 8] if item == 7 else [8, 0, 16, 8] for item in ids]
        return Detections.of(boxes, np.ones(len(ids)), np.zeros(len(ids)), track_id=np.array(ids, np.int64))

    kit.stage("track", track, gives=Detections, ordered=True)
    kit.postprocess("clip", ClipPrediction, clip_result)
    feed = mean_graph[0].inputs["x"].feed
    every = Temporal(rate_hz=10, tolerance=0.25, window=3, stride=1, max_gap_ms=500)
    kit.bundle("net", {"net": clip_graph((None, 3, 2, 4, 3), feed)}, "clip", temporal=every)
    outcomes, _ = play(
        at(0, 100, 200, 300, 400),
        stage=[{"name": "track", "use": "track"}, {"name": "m", "bundle": "net", "on": "track"}],
    )
    found = [
        (o.result.source_row.tolist(), o.result.confidence[:, 0].tolist(), o.result.window_ns[:, 0].tolist())
        if isinstance(o, Ran)
        else o.reason
        for o in outcomes
    ]
    assert found == [
        "window",
        "window",
        ([1], [123], times(0)),
        ([0, 1], [234, 234], times(100, 100)),
        ([0], [345], times(200)),
    ]


def test_a_sequence_of_points_of_another_stage_is_a_clip(kit, at, play):
    def points(inputs, state):
        value = float(inputs.frame.view("gray8").mean())
        return Keypoints(points=np.full((1, 2, 2), value, np.float32), confidence=np.ones((1, 2), np.float32))

    kit.stage("hand", points, gives=Keypoints)
    kit.postprocess("clip", ClipPrediction, clip_result)
    head = clip_graph((None, 3, 2, 2), ResultFeed(stage="hand", field="points"))
    kit.bundle("net", {"net": head}, "clip", temporal=CLIP)
    outcomes, _ = play(
        at(0, 100, 200, 300, 400),
        stage=[{"name": "hand", "use": "hand"}, {"name": "m", "bundle": "net", "takes": {"hand": "hand"}}],
    )
    assert values(outcomes) == ["window", "window", 123, "window", 345]


def test_one_picture_is_no_clip(kit, mean_graph):
    kit.postprocess("clip", ClipPrediction, clip_result)
    feed = mean_graph[0].inputs["x"].feed
    path = kit.bundle("net", {"net": clip_graph((None, 3, 2, 4, 3), feed)}, "clip", temporal=CLIP)
    with pytest.raises(BundleError, match="'net' looks at clips"):
        Model(path, registry=kit.registry())


# --- in the manifest ----------------------------------------------------------------------------------------------


@pytest.fixture
def manifest(kit, mean_graph):
    """The bytes of a manifest with one clip input, after a change."""
    import json

    feed = mean_graph[0].inputs["x"].feed
    kit.bundle("net", {"net": clip_graph((None, 3, 2, 4, 3), feed)}, "clip", temporal=CLIP)
    plain = json.loads((kit.folder / "net" / "manifest.json").read_text())

    def changed(change) -> bytes:
        change(plain)
        return json.dumps(plain).encode()

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["graphs"]["net"]["inputs"]["x"].update(shape=[None, 4, 2, 4, 3]), r"clip of 3 samples.*shape"),
        (lambda m: m["graphs"]["net"]["inputs"]["x"].update(shape=[None, 3, 4, 4, 3]), r"a sample of the input"),
        (lambda m: m.pop("temporal"), r"a clip needs `temporal`.*net\.inputs\.x\.clip"),
        (lambda m: m["temporal"].update(max_gap_ms=120), r"120 ms are no gap.*\$\.temporal\.max_gap_ms"),
        (lambda m: m["graphs"]["net"]["inputs"]["x"].update(feed=CONSTANT), r"makes no clip.*feed"),
    ],
)  # fmt: skip
def test_a_clip_that_cannot_be_is_refused_with_its_path(manifest, change, message):
    with pytest.raises(BundleError, match=message):
        parse_manifest(manifest(change))
