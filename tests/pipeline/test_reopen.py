"""Sources that fail and are opened again: pauses, epochs, what is noted and logged, and how it all ends."""

import logging
import threading
import time
from itertools import pairwise
from random import Random

import pytest

from vedette.cli.report import render_summary
from vedette.errors import ConfigError, EndOfStream, PipelineError, SourceError
from vedette.pipeline.config import Reopen, parse_config
from vedette.pipeline.outages import Outages
from vedette.pipeline.reopen import ReopenedSource, pause_s
from vedette.specs import SourceInfo, SourceSpec

STAGE = [{"name": "look", "use": "look"}]
SINK = [{"use": "collect"}]
SOON = Reopen(within_s=0.02)
PATIENCE_S = 30.0


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class Camera:
    """Opened again and again: each opening gives the next script. An error opens nothing."""

    def __init__(self, list_source, *scripts) -> None:
        self._make = list_source
        self._scripts = list(scripts)
        self.opened = []
        self.attempts_s: list[float] = []
        self.clock = time.monotonic

    def __call__(self):
        self.attempts_s.append(self.clock())
        script = self._scripts.pop(0) if self._scripts else SourceError("the camera is gone")
        if isinstance(script, Exception):
            raise script
        self.opened.append(self._make(list(script), live=True))
        return self.opened[-1]


def reopened(camera, policy=SOON, clock=None, outages=None):
    clock = camera.clock = clock or Time()
    outages = outages or Outages(clock)
    return ReopenedSource(
        "door", camera(), camera, policy, "a test", outages, monotonic=clock, sleep=clock.sleep, random=Random(1)
    )  # fmt: skip


def read_all(source, count):
    """The next ``count`` images."""
    found = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline, "no more images come"
        if (capture := source.read(1.0)) is not None:
            found.append(capture)
    return found


@pytest.fixture
def gone():
    return SourceError("the camera is gone")


def test_pauses_are_short_for_a_minute_then_grow_to_the_longest(list_source, make_captures, gone):
    clock = Time()
    camera = Camera(list_source, [*make_captures(1), gone], *[gone] * 400)
    source = reopened(camera, Reopen(), clock)
    source.read(1.0)
    began_s = clock.now_s
    while clock.now_s < began_s + 600:
        assert source.read(0.25) is None
    pauses = [(a - began_s, b - a) for a, b in pairwise([began_s, *camera.attempts_s[1:]])]
    early = [pause for start, pause in pauses if start < 60]
    assert max(early) <= 0.75 + 1e-9
    assert min(early) >= 0.375 - 1e-9
    assert len(set(early)) > len(early) / 2, "no jitter"
    late = [pause for start, pause in pauses if start > 180]
    assert max(late) <= 30 + 1e-9
    assert min(late) >= 15 - 1e-9
    growing = [pause_s(Reopen(), outage, Random(3)) for outage in (0, 59, 61, 70, 100, 500)]
    assert growing == sorted(growing)
    assert growing[0] == growing[1]
    assert growing[-1] > 15
    assert max(clock.slept) <= 0.25, "read waited longer than it may"


def test_the_epoch_rises_by_one_with_each_opening_on_top_of_the_sources_own(list_source, make_captures, gone):
    own = make_captures(3, epoch=lambda n: 5 + n)
    camera = Camera(list_source, [*own, gone], gone, [gone], [*make_captures(2), gone], [*own, gone])
    source = reopened(camera)
    captures = read_all(source, 8)
    assert [c.epoch for c in captures] == [5, 6, 7, 8, 8, 9, 10, 11]
    assert [c.seq for c in captures] == [0, 1, 2, 0, 1, 0, 1, 2]
    assert source._outages.to_builtins()["reopened"] == 2
    assert [item.closed for item in camera.opened] == [1, 1, 1, 0]
    source.close()
    source.close()
    assert camera.opened[-1].closed == 1
    with pytest.raises(SourceError, match="closed"):
        source.read(0)


def test_an_outage_ends_with_a_picture_and_is_noted_and_logged_once(list_source, make_captures, gone, caplog):
    clock = Time()
    camera = Camera(list_source, [*make_captures(1), gone], *[gone] * 5, [gone], make_captures(1))
    outages = Outages(clock)
    source = reopened(camera, Reopen(), clock, outages)
    with caplog.at_level(logging.WARNING, "vedette.pipeline"):
        read_all(source, 1)
        assert outages.to_builtins() == {
            "reopened": 0, "last_reopened": None, "without_pictures_s": 0, "last_error": None, "now": None
        }  # fmt: skip
        while len(camera.attempts_s) < 7:
            assert source.read(1.0) is None
        during = outages.to_builtins()
        assert during["now"]["attempts"] == 6
        assert during["last_error"] == "the camera is gone"
        assert during["without_pictures_s"] == pytest.approx(clock.now_s - 1000.0, abs=1e-3)
        read_all(source, 1)
    after = outages.to_builtins()
    assert (after["reopened"], after["now"]) == (1, None)
    assert after["last_reopened"] is not None
    assert after["without_pictures_s"] == pytest.approx(clock.now_s - 1000.0, abs=1e-3)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "'door'" in caplog.text
    assert "the camera is gone" in caplog.text
    assert "pictures again" in caplog.text


def test_it_ends_when_the_policy_says_so(list_source, make_captures, gone):
    twice = Camera(list_source, *[[*make_captures(1), gone]] * 9)
    source = reopened(twice, Reopen(within_s=0.01, times=2))
    read_all(source, 3)
    with pytest.raises(SourceError, match="gone"):
        read_all(source, 1)
    assert len(twice.opened) == 3
    source.close()

    clock = Time()
    source = reopened(Camera(list_source, [gone]), Reopen(give_up_s=5), clock)
    with pytest.raises(SourceError, match="gone"):
        read_all(source, 1)
    assert 1005 <= clock.now_s < 1006
    source.close()

    ended = reopened(Camera(list_source, make_captures(1)))
    read_all(ended, 1)
    with pytest.raises(EndOfStream):
        ended.read(1.0)
    ended.close()


def test_a_silent_source_has_failed_if_the_policy_says_so(make_captures):
    clock = Time()

    class Silent:
        info = SourceInfo(live=True)
        closed = False

        def __init__(self) -> None:
            self.items = make_captures(1)

        def read(self, timeout_s):
            clock.sleep(timeout_s)
            return self.items.pop() if self.items else None

        def close(self) -> None:
            self.closed = True

    opened = []

    def open_one():
        opened.append(Silent())
        return opened[-1]

    source = ReopenedSource(
        "door", open_one(), open_one, Reopen(silent_s=3), "a test", Outages(clock), monotonic=clock, sleep=clock.sleep
    )  # fmt: skip
    assert [c.epoch for c in read_all(source, 2)] == [0, 1]
    assert opened[0].closed
    assert 1003 <= clock.now_s <= 1010
    assert source._outages.to_builtins()["last_error"] == "no picture for 3.0 s"
    source.close()


def test_what_is_not_a_source_error_is_blamed_on_the_plugin(list_source, make_captures):
    camera = Camera(
        list_source, [*make_captures(1), ValueError("no such register")], KeyError("x"), make_captures(1)
    )
    source = reopened(camera)
    read_all(source, 2)
    assert source._outages.to_builtins()["last_error"] == "source (a test) raised KeyError: 'x'"
    source.close()


def live_camera(kit, camera, name="cam"):
    kit.add(
        "vedette_sources",
        SourceSpec(
            name=name,
            summary="a camera",
            matches=lambda uri: 10 * (uri == f"{name}://"),
            open=lambda uri, params: camera(),
        ),
    )
    return f"{name}://"


def test_a_live_source_is_opened_again_by_default(kit, list_source, make_captures, gone):
    seen = kit.sink()
    kit.stage("look", lambda inputs, state: None)
    camera = Camera(list_source, [*make_captures(3), gone], gone, make_captures(2))
    stream = {"name": "door", "source": live_camera(kit, camera), "max_age_ms": 60_000}
    summary = kit.pipeline(stream=[stream], stage=STAGE, sink=SINK).run()
    door = summary.streams["door"]
    assert door["outages"]["reopened"] == 1
    assert door["error"] is None
    assert summary.balanced
    assert door["captured"] == 5
    assert door["in_flight"] == 0
    assert {packet.frame.epoch for packet in seen.packets} <= {0, 1}
    assert seen.packets[-1].frame.epoch == 1
    (note,) = [line for line in render_summary(summary).splitlines() if "reopened" in line]
    assert note.startswith("note: stream 'door': has pictures; reopened 1 times, without pictures for ")
    assert note.endswith("last error: the camera is gone")


def test_files_and_never_end_with_the_error(kit, list_source, make_captures, gone):
    kit.sink()
    kit.stage("look", lambda inputs, state: None)
    file = kit.source("file", lambda: list_source([*make_captures(3), gone]))
    with pytest.raises(PipelineError, match="gone"):
        kit.pipeline(stream=[{"name": "a", "source": file}], stage=STAGE, sink=SINK).run()
    camera = Camera(list_source, [*make_captures(3), gone], make_captures(2))
    stream = {"name": "a", "source": live_camera(kit, camera), "reopen": "never"}
    with pytest.raises(PipelineError, match="gone"):
        kit.pipeline(stream=[stream], stage=STAGE, sink=SINK).run()
    assert len(camera.opened) == 1


def test_a_file_that_is_to_be_reopened_keeps_every_frame(kit, list_source, make_captures, gone):
    seen = kit.sink()
    kit.stage("look", lambda inputs, state: None)
    scripts = [[*make_captures(40), gone], make_captures(50)]
    stream = {
        "name": "a",
        "source": kit.source("file", lambda: list_source(scripts.pop(0))),
        "reopen": {"within_s": 0.01},
    }
    summary = kit.pipeline(stream=[stream], stage=STAGE, sink=SINK).run()
    assert summary.balanced
    assert summary.streams["a"]["complete"] == 90
    got = [(packet.frame.epoch, packet.frame.seq) for packet in seen.packets]
    assert got == [*((0, n) for n in range(40)), *((1, n) for n in range(50))]


def test_a_source_that_cannot_be_opened_is_an_error_at_the_start_unless_it_may_come_later(
    kit, list_source, make_captures, gone
):
    kit.sink()
    kit.stage("look", lambda inputs, state: None)
    camera = Camera(list_source, gone, gone, gone, make_captures(2))
    stream = {"name": "door", "source": live_camera(kit, camera), "max_age_ms": 60_000}
    with pytest.raises(SourceError, match="gone"):
        kit.pipeline(stream=[stream], stage=STAGE, sink=SINK)
    stream["reopen"] = {"at_start": True, "within_s": 0.02}
    summary = kit.pipeline(stream=[stream], stage=STAGE, sink=SINK).run()
    assert summary.streams["door"]["captured"] == 2
    assert summary.streams["door"]["outages"]["reopened"] == 1

    scripts = [gone, make_captures(2)]

    def open_file():
        script = scripts.pop(0)
        if script is gone:
            raise gone
        return list_source(script)

    stream["source"] = kit.source("file", open_file)
    with pytest.raises(SourceError, match="taken for a camera and is a file"):
        kit.pipeline(stream=[stream], stage=STAGE, sink=SINK).run()


def test_the_run_ends_promptly_in_an_outage_also_while_opening_hangs(kit, list_source, make_captures, gone):
    kit.sink()
    kit.stage("look", lambda inputs, state: None)
    hanging, let_go = threading.Event(), threading.Event()
    late = list_source(make_captures(1), live=True)
    first = [list_source([*make_captures(1), gone], live=True)]

    def open_camera():
        if first:
            return first.pop()
        hanging.set()
        assert let_go.wait(PATIENCE_S)
        return late

    stream = {"name": "door", "source": live_camera(kit, open_camera), "reopen": {"within_s": 0.01}}
    pipeline = kit.pipeline(stream=[stream], stage=STAGE, sink=SINK)
    runner = threading.Thread(target=pipeline.run)
    runner.start()
    assert hanging.wait(PATIENCE_S)
    pipeline.close()
    runner.join(PATIENCE_S)
    assert not runner.is_alive(), "the end waited for the opening"
    door = pipeline.summary().streams["door"]
    assert door["error"] is None
    assert door["outages"]["now"]["attempts"] == 1
    let_go.set()
    deadline = time.monotonic() + PATIENCE_S
    while not late.closed:
        assert time.monotonic() < deadline, "what was opened after the end stays open"
        time.sleep(0.01)


def test_the_schema(kit):
    def stream(**entries):
        return {
            "stream": [{"name": "a", "source": "x", **entries}],
            "stage": [{"name": "look", "use": "look"}],
        }

    assert parse_config(stream()).stream[0].reopen is None
    assert parse_config(stream(reopen="never")).stream[0].reopen == "never"
    assert parse_config(stream(reopen={"max_s": 5})).stream[0].reopen == Reopen(max_s=5)
    for wrong, where in [
        ({"reopen": "always"}, r"stream\[0\]\.reopen"),
        ({"reopen": True}, r"stream\[0\]\.reopen"),
        ({"reopen": {"within_s": 0}}, r"stream\[0\]\.reopen\.within_s"),
        ({"reopen": {"retries": 3}}, r"stream\[0\]\.reopen"),
    ]:
        with pytest.raises(ConfigError, match=where):
            parse_config(stream(**wrong))
