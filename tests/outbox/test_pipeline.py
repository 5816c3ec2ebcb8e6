"""A pipeline whose sinks keep what they are given: frames held back, saved state never ahead, ids of runs."""

import sys
import threading
import time
import types

import numpy as np
import pytest

from vedette.errors import EndOfStream, PipelineError
from vedette.events import EventDraft
from vedette.frame import Clock, Packed
from vedette.hookspecs import hookimpl
from vedette.manager import PluginManager
from vedette.pipeline.checkpoint import decode
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry
from vedette.specs import Capture, SinkSpec, SourceInfo, SourceSpec, StageOutput, StageSpec

PIXELS = np.zeros((2, 2, 3), np.uint8)


class Frames:
    """So many frames; a live one has one every 2 ms."""

    def __init__(self, count, live):
        self.info = SourceInfo(live=live)
        self.count, self.live, self.seq = count, live, 0

    def read(self, timeout_s):
        if self.live:
            time.sleep(0.002)
        if self.seq == self.count:
            raise EndOfStream
        seq, self.seq = self.seq, self.seq + 1
        media_ns = None if self.live else seq * 10**7
        clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns(), media_ns=media_ns)
        return Capture(image=Packed("bgr", PIXELS), clock=clock, seq=seq)

    def close(self):
        pass


class Each:
    """An event for each frame."""

    def start(self, stream):
        return {}

    def process(self, inputs, state):
        return StageOutput(events=(EventDraft(kind="seen", data={"seq": inputs.frame.seq}),))

    def save(self, state):
        return state

    def load(self, saved, shift_ns):
        return saved


class Holding:
    """A sink that is ready when it is told so, and whose flush can fail or wait."""

    def __init__(self):
        self.events = []
        self.room = threading.Event()
        self.room.set()
        self.flushes = []
        self.failing = False

    def write(self, packet):
        pass

    def write_event(self, event):
        self.events.append(event)

    def ready(self):
        return self.room.is_set()

    def flush(self):
        if self.failing:
            raise PipelineError("the disk is full")
        self.flushes.append(len(self.events))

    def status(self):
        return {"waiting": 7}

    def close(self):
        pass

    abort = close


@pytest.fixture
def sink():
    return Holding()


@pytest.fixture
def make_pipeline(sink, tmp_path):
    module = types.ModuleType(f"holding_{id(sink)}")
    specs = {
        "vedette_sources": [
            SourceSpec(
                name=name, summary="frames", matches=lambda uri, name=name: 10 * uri.startswith(f"{name}:"),
                open=lambda uri, params, live=name == "live": Frames(int(uri.split(":")[1]), live),
            )
            for name in ("live", "file")
        ],
        "vedette_stages": [StageSpec(name="each", summary="each", build=lambda params: Each(), ordered=True)],
        "vedette_sinks": [SinkSpec(name="holding", summary="holds", open=lambda params: sink)],
    }  # fmt: skip
    for hook, found in specs.items():
        setattr(module, hook, hookimpl(_giver(found)))
    sys.modules[module.__name__] = module
    manager = PluginManager(env={}, search_path=[str(tmp_path / "site-packages")])
    manager.load([module.__name__])

    def make(source, **config):
        plain = {
            "stream": [{"name": "cam", "source": source}], "stage": [{"name": "each", "use": "each"}],
            "sink": [{"use": "holding"}], "threads": 2, **config,
        }  # fmt: skip
        return Pipeline.from_dict(plain, registry=Registry(manager), base_dir=tmp_path)

    return make


def _giver(found):
    def give():
        return found

    return give


def running(pipeline):
    summaries = []
    thread = threading.Thread(target=lambda: summaries.append(pipeline.run()))
    thread.start()

    def finish():
        thread.join(60)
        return summaries[0]

    return finish


def test_a_file_waits_for_room_and_loses_no_frame(make_pipeline, sink, wait_until, caplog):
    sink.room.clear()
    pipeline = make_pipeline("file:50")
    finish = running(pipeline)
    wait_until(lambda: "no frames are admitted" in caplog.text)
    time.sleep(0.2)
    assert sink.events == []
    sink.room.set()
    summary = finish()
    assert [event.data["seq"] for event in sink.events] == list(range(50))
    assert summary.balanced
    assert summary.streams["cam"]["dropped"] == {}
    assert summary.sinks["holding"]["outbox"] == {"waiting": 7}
    assert "frames are admitted again" in caplog.text


def test_live_frames_are_dropped_and_counted_as_outbox(make_pipeline, sink, wait_until):
    pipeline = make_pipeline("live:400")
    finish = running(pipeline)
    wait_until(lambda: len(sink.events) > 5)
    sink.room.clear()
    wait_until(lambda: pipeline.summary().streams["cam"]["dropped"].get("outbox", 0) > 5)
    sink.room.set()
    before = len(sink.events)
    wait_until(lambda: len(sink.events) > before)
    summary = finish()
    assert summary.balanced
    dropped = summary.streams["cam"]["dropped"]
    assert 0 < dropped["outbox"] < 400
    assert len(sink.events) + sum(dropped.values()) == 400


def test_a_pipeline_that_waits_for_room_can_be_stopped(make_pipeline, sink, wait_until, caplog):
    sink.room.clear()
    pipeline = make_pipeline("file:50")
    finish = running(pipeline)
    wait_until(lambda: "no frames are admitted" in caplog.text)
    pipeline.stop()
    assert finish().streams["cam"]["complete"] == 0


def test_state_is_saved_only_after_the_sinks_have_stored_what_led_to_it(
    make_pipeline, sink, tmp_path, monkeypatch
):
    saved = []
    replace = sys.modules["vedette.pipeline.checkpoint"].replace_file

    def watch(path, data):
        saved.append((decode(data).ticket, sink.flushes[-1]))
        replace(path, data)

    monkeypatch.setattr("vedette.pipeline.checkpoint.replace_file", watch)
    pipeline = make_pipeline("live:300", state={"path": "state", "every_s": 0.02})
    finish = running(pipeline)
    finish()
    assert len(saved) > 2
    assert all(flushed >= ticket for ticket, flushed in saved), "one event per frame"


def test_state_that_would_be_ahead_is_not_saved(make_pipeline, sink, tmp_path, wait_until, caplog):
    pipeline = make_pipeline("live:500", state={"path": "state", "every_s": 0.02})
    finish = running(pipeline)
    path = tmp_path / "state" / "cam.state"
    wait_until(path.exists)
    sink.failing = True
    wait_until(lambda: "its state cannot be saved" in caplog.text)
    before = path.read_bytes()
    count = len(sink.events)
    wait_until(lambda: len(sink.events) > count + 20)
    assert path.read_bytes() == before
    sink.failing = False
    wait_until(lambda: path.read_bytes() != before)
    pipeline.stop()
    finish()


@pytest.mark.parametrize(("source", "again"), [("live:40", False), ("file:40", True)])
@pytest.mark.parametrize("state", [None, {"path": "state", "every_s": 0.01}])
def test_only_what_comes_again_has_the_same_ids(source, again, state, make_pipeline, sink):
    """A camera's events of two runs are different ones; a file is the same input, and gives the same ids."""
    config = {} if state is None else {"state": state}
    make_pipeline(source, **config).run()
    first = {event.id for event in sink.events}
    assert len(first) == len(sink.events) > 0
    sink.events.clear()
    make_pipeline(source, **config).run()
    second = {event.id for event in sink.events}
    assert (second == first) if again else not (second & first)
