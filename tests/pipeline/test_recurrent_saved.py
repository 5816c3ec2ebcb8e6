"""State that outlives the pipeline: stop and start again is as if nothing had been, or said to be otherwise."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from vedette.bundle.manifest import Graph, Input, Output, Temporal, TensorFeed
from vedette.errors import ConfigError, PipelineError, SourceError
from vedette.events import EventDraft
from vedette.frame import Clock
from vedette.packet import Ran
from vedette.pipeline.checkpoint import decode, encode
from vedette.pipeline.config import parse_config
from vedette.results import Classification
from vedette.sinks.jsonl import read_jsonl
from vedette.specs import Capture, NoParams, SourceInfo, StageOutput, StageSpec

MS = 1_000_000
FRAMES = 40
TIME = Temporal(rate_hz=12.5, tolerance=0.25, max_gap_ms=500)


class Counter:
    """A stage that can be saved: tells each third frame of an epoch, and how it ended."""

    def start(self, stream):
        return {"n": 0, "latest": np.zeros(2)}

    def process(self, inputs, state):
        state["n"] += 1
        state["latest"] = state["latest"] + [1, inputs.frame.ticket]
        told = [] if state["n"] % 3 else [EventDraft(kind="third", subject="s", data={"n": state["n"]})]
        return StageOutput(events=tuple(told))

    def end(self, state):
        return [EventDraft(kind="end", subject="s", data={"latest": state["latest"].tolist()})]

    def save(self, state):
        return state

    def load(self, saved, shift_ns):
        return saved


@pytest.fixture
def film(picture):
    """40 frames at 25 per second in two epochs, each of a value of its own."""
    return [
        Capture(
            image=picture(n * 37 % 101),
            clock=Clock(mono_ns=n, wall_ns=n * 10, media_ns=(n % 25) * 40 * MS, origin="pts"),
            seq=n % 25,
            epoch=n // 25,
        )
        for n in range(FRAMES)
    ]


@pytest.fixture
def rig(kit, sum_step, decode_value, list_source, film):
    """``rig(stop)``: run, and stop after so many packets if told so; packets, events and summary."""
    kit.postprocess("value", Classification, decode_value("h2"))
    kit.bundle("sum", {"step": sum_step}, "value", temporal=TIME)
    kit.add(
        "vedette_stages",
        StageSpec(name="count", summary="counts", ordered=True, build=lambda p: Counter(), params=NoParams),
    )

    def run(
        stop=None, captures=film, make=None, through=None, state=None, stage=None, in_flight=4, frames=None
    ):
        for hook in ("vedette_sinks", "vedette_sources"):  # of a run before
            kit.specs.pop(hook, None)
        sink = kit.sink()

        def film_source():
            source = list_source(list(captures))
            source.info = SourceInfo(live=False, frames=frames or len(captures))
            return source

        kit.source("list", make or film_source)
        with kit.pipeline(
            threads=2,
            stream=[{"name": "a", "source": "list://", "in_flight": in_flight}],
            stage=stage or [{"name": "m", "bundle": "sum"}, {"name": "count", "use": "count"}],
            sink=[{"use": "collect"}],
            state={"path": "kept", **(state or {})},
        ) as pipeline:
            if through is not None:
                pipeline.observe(lambda packet: through.append(packet.frame.ticket))
            if stop is not None:
                pipeline.observe(lambda packet: packet.frame.ticket >= stop and pipeline.stop())
            summary = pipeline.run()
        return sink.packets, sink.events, summary

    return run


def answers(packets) -> list:
    return [
        (
            p.frame.ticket,
            p.frame.epoch,
            float(p.results["m"].confidence[0, 0]) if "m" in p.results else p.outcome["m"],
        )
        for p in packets
    ]


@pytest.mark.parametrize("stop", [0, 1, 7, 20, 23, 24, 25, 33])
def test_stop_and_start_is_as_if_nothing_had_been(rig, kit, stop, caplog):
    packets, events, _ = rig()
    assert not (kit.folder / "kept" / "a.state").exists(), "a film that is over begins at its beginning"
    first, early, _ = rig(stop=stop)
    done = len(first)
    assert stop < done < FRAMES
    caplog.set_level(logging.INFO, "vedette.pipeline")
    caplog.clear()
    second, late, summary = rig()
    assert answers(first) + answers(second) == answers(packets)
    assert early + late == events, "also the ids of events go on"
    assert [event.kind for event in events].count("end") == 2
    stream = summary.streams["a"]
    assert stream["dropped"] == {"resumed": done}
    assert stream["resumed"] == {
        "frame": done,
        "stages": dict.fromkeys(("m", "m/step", "count"), "restored"),
    }
    assert summary.balanced
    told = [record.message for record in caplog.records]
    assert any(f"goes on at frame {done} with the state of" in line for line in told)
    assert "stream 'a', stage 'm': state restored" in told


def test_a_stop_behind_the_last_frame_still_ends_what_went_on(rig):
    _, events, _ = rig()
    first, early, _ = rig(stop=FRAMES - 1, in_flight=1)
    second, late, _ = rig()
    assert (len(first), len(second)) == (FRAMES, 0)
    assert early + late == events
    assert [event.kind for event in late] == ["end"]


def test_clips_go_on_too(rig, kit, mean_graph):
    def digits(inputs):
        means = inputs["x"].reshape(*inputs["x"].shape[:2], -1).mean(axis=2)
        return {"h2": (means @ 1000.0 ** np.arange(means.shape[1])[::-1])[:, None].astype(np.float32)}

    head = Graph(
        inputs={
            "x": Input(
                dtype="float32", shape=(None, 3, 1), feed=TensorFeed(graph="cnn", output="y"), clip=True
            )
        },
        outputs={"h2": Output(dtype="float32", shape=(None, 1))},
    )
    clips = Temporal(rate_hz=12.5, tolerance=0.25, window=3, stride=2, max_gap_ms=500)
    kit.bundle("clips", {"cnn": mean_graph, "head": (head, digits)}, "value", temporal=clips)
    stage = [{"name": "m", "bundle": "clips"}]
    whole, *_ = rig(stage=stage)
    first, *_ = rig(stop=9, stage=stage)
    second, *_ = rig(stage=stage)
    assert answers(first) + answers(second) == answers(whole)
    assert any(isinstance(p.outcome["m"], Ran) for p in second)


def test_state_of_another_model_is_not_taken_up(rig, kit, sum_step, caplog):
    first, *_ = rig(stop=10)
    kit.folder.joinpath("sum").rename(kit.folder / "old")
    kit.bundle(
        "sum", {"step": sum_step}, "value", temporal=Temporal(rate_hz=12.5, tolerance=0.2, max_gap_ms=500)
    )
    second, _, summary = rig()
    assert second[0].frame.ticket == len(first)
    resumed = summary.streams["a"]["resumed"]["stages"]
    assert resumed["m"] == "the saved state belongs to another model or stage"
    assert resumed["count"] == "restored"
    assert summary.stages["m"]["resets"][resumed["m"]] == 1
    assert f"stream 'a', stage 'm': state starts afresh: {resumed['m']}" in caplog.text


def test_a_stage_that_does_not_save_is_said(rig, kit, caplog):
    kit.stage("plain", lambda inputs, state: None, ordered=True)
    stage = [{"name": "plain", "use": "plain"}, {"name": "m", "bundle": "sum"}]
    rig(stop=10, stage=stage)
    *_, summary = rig(stage=stage)
    assert summary.streams["a"]["resumed"]["stages"]["plain"] == "it does not save its state"
    assert "stage 'plain': state starts afresh: it does not save its state" in caplog.text


def damage(path):
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)


BROKEN = {
    "one bit": (damage, "it is damaged"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-5]), "it is damaged"),
    "empty": (lambda path: path.write_bytes(b""), "it is not a saved state"),
    "something else": (lambda path: path.write_text("state"), "it is not a saved state"),
    "of another stream": (
        lambda path: path.write_bytes((path.parent / "b.state").read_bytes()),
        "belongs to stream 'b'",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_saved_state_that_cannot_be_used_is_refused_or_begins_afresh_as_configured(rig, kit, how, caplog):
    whole, *_ = rig()
    rig(stop=10)
    path = kit.folder / "kept" / "a.state"
    other = msgspec.structs.replace(decode(path.read_bytes()), stream="b")
    path.with_name("b.state").write_bytes(encode(other))
    breaks, message = BROKEN[how]
    breaks(path)
    with pytest.raises(PipelineError, match=message) as caught:
        rig(state={"unusable": "refuse"})
    assert str(path) in str(caught.value)
    again, *_ = rig()
    assert answers(again) == answers(whole)
    assert message in caplog.text


@pytest.mark.parametrize("how", ["other times", "shorter"])
def test_a_source_that_has_changed_is_found_and_nothing_is_lost(rig, kit, film, how):
    rig(stop=10)
    before = (kit.folder / "kept" / "a.state").read_bytes()
    changed = [replace(item, clock=replace(item.clock, media_ns=item.clock.media_ns + 1)) for item in film]
    with pytest.raises(SourceError, match=r"is not in its source(.|\n)*remove .*a\.state"):
        rig(captures=changed if how == "other times" else film[:5], frames=len(film))
    assert (kit.folder / "kept" / "a.state").read_bytes() == before


class Camera:
    """Live; shows the next picture when the one before it is through. Its clock begins anew with each connection."""

    def __init__(self, picture, values, wall_ms, through):
        self.info = SourceInfo(live=True)
        self._picture, self._values, self._wall_ms, self._through = picture, values, wall_ms, through
        self._n = 0

    def read(self, timeout_s):
        if self._through() < self._n or self._n == len(self._values):
            time.sleep(0.001)
            return None
        n, self._n = self._n, self._n + 1
        clock = Clock(
            mono_ns=time.monotonic_ns(),
            wall_ns=(self._wall_ms + 80 * n) * MS,
            media_ns=(7000 + 80 * n) * MS,
            origin="pts",
        )
        return Capture(image=self._picture(self._values[n]), clock=clock, seq=n)

    def close(self):
        pass


@pytest.mark.parametrize(
    ("pause_ms", "sums", "resets"), [(160, [1, 3, 6, 10], {}), (2000, [1, 3, 3, 7], {"a gap": 1})]
)
def test_a_camera_goes_on_after_a_short_stop_and_begins_afresh_after_a_long_one(
    rig, kit, picture, pause_ms, sums, resets
):
    """Only the wall clock says how long it was away."""
    found, epochs = [], []
    for values, wall_ms in (([1, 2], 10_000), ([3, 4], 10_080 + pause_ms)):
        through = []
        packets, _, summary = rig(
            stop=len(found) + 1,
            make=lambda values=values, wall_ms=wall_ms, through=through: Camera(
                picture, values, wall_ms, lambda: len(through)
            ),
            through=through,
            stage=[{"name": "m", "bundle": "sum"}],
        )
        found += [float(packet.results["m"].confidence[0, 0]) for packet in packets]
        epochs += [packet.frame.epoch for packet in packets]
    assert found == sums
    assert epochs == [0, 0, 0, 0]
    assert summary.stages["m"]["resets"] == resets
    assert summary.streams["a"]["resumed"]["frame"] == 2


SCRIPT = """
    import sys, time
    import numpy as np
    from vedette.errors import EndOfStream
    from vedette.frame import Clock, Packed
    from vedette.hookspecs import hookimpl
    from vedette.results import Classification
    from vedette.specs import Capture, PostprocessSpec, SourceInfo, SourceSpec

    class Film:
        info = SourceInfo(live=False, frames=400)

        def __init__(self):
            self.n = 0

        def read(self, timeout_s):
            n, self.n = self.n, self.n + 1
            if n == 400:
                raise EndOfStream
            time.sleep(0.004)
            pixels = np.full((12, 16, 3), [n * 37 % 256, n * 11 % 256, n % 256], np.uint8)
            clock = Clock(mono_ns=n, wall_ns=n, media_ns=n * 40_000_000, origin="pts")
            return Capture(image=Packed("rgb", pixels), clock=clock, seq=n)

        def close(self):
            pass

    def scores(outputs, affines, size_wh, params):
        value = outputs["scores"]
        ids = np.tile(np.arange(value.shape[1], dtype=np.int32), (len(value), 1))
        return Classification(class_id=ids, confidence=value.astype(np.float32))

    @hookimpl
    def vedette_sources():
        return [SourceSpec(name="film", summary="a film", matches=lambda uri: 10 * (uri == "film://"),
                           open=lambda uri, params: Film())]

    @hookimpl
    def vedette_postprocessors():
        return [PostprocessSpec(name="scores", summary="scores", result=Classification,
                                build=lambda labels: scores)]
"""


def test_a_process_that_is_killed_goes_on_from_its_latest_saved_state(gru, tmp_path):
    gru.write(temporal=Temporal(rate_hz=25, tolerance=0.25))
    (tmp_path / "film_plugin.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "p.toml").write_text(
        """
        signatures = "off"
        [state]
        path = "kept"
        every_s = 0.05
        [[stream]]
        name = "a"
        source = "film://"
        [[stage]]
        name = "m"
        bundle = "./gru"
        proof = "off"
        [[sink]]
        use = "jsonl"
        params = { path = "out.jsonl", mode = "append" }
        """
    )
    command = [sys.executable, "-m", "vedette", "--plugin", "film_plugin", "run", "p.toml"]
    env = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    start = {
        "cwd": tmp_path,
        "env": env,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }
    first = subprocess.Popen(command, **start)
    out, state = tmp_path / "out.jsonl", tmp_path / "kept" / "a.state"
    deadline = time.monotonic() + 60
    while first.poll() is None and time.monotonic() < deadline:
        if state.exists() and out.exists() and out.read_bytes().count(b"\n") > 60:
            break
        time.sleep(0.01)
    assert first.poll() is None, first.communicate()[0]
    first.send_signal(signal.SIGKILL)
    first.communicate()
    before = out.read_bytes().count(b"\n")
    second = subprocess.run(command, check=True, timeout=60, **start)
    records = list(read_jsonl(out))
    again = [record.ticket for record in records[before - 1 :]]
    tickets = again[again.index(min(again[1:])) :] if again[1:] else again
    assert 0 < tickets[0] <= before
    assert tickets == list(range(tickets[0], 400))
    assert f"note: stream 'a': went on at frame {tickets[0]}: m restored, m/step restored" in second.stdout
    n = np.arange(400)
    want = gru.scores(np.stack([n * 37 % 256, n * 11 % 256, n % 256], 1) / 255)
    for record in records:
        np.testing.assert_allclose(record.results["m"].confidence[0], want[record.ticket], atol=1e-5)


def test_where_and_how_often_is_checked():
    plain = {"stream": [{"name": "a", "source": "x"}], "stage": [{"name": "s", "use": "x"}]}
    with pytest.raises(ConfigError, match=r"state\.every_s"):
        parse_config({**plain, "state": {"path": "x", "every_s": 0}})
    with pytest.raises(ConfigError, match=r"state: .*path"):
        parse_config({**plain, "state": {}})
