"""Cameras in a pipeline: stopped, hung, killed and started again, and every frame accounted for.

The cameras are real servers on loopback, in processes of their own, and their pictures carry numbers.
"""

import logging
import threading
import time
from itertools import pairwise

import live_stage  # its folder of servers comes with it
import numbered
import pytest
import running

from vedette.pipeline.run import Pipeline
from vedette.registry import load_plugins

assert live_stage
PASSWORD = "hunter2-of-the-gate"
PATIENCE_S = 30.0
COUNT = 64
"""Numbers of the RTSP camera's pictures, which come again and again; those of the MJPEG camera just rise."""


@pytest.fixture(scope="module")
def registry():
    return load_plugins(["live_stage"])


@pytest.fixture
def mjpeg():
    server = running.mjpeg_server(rate=25).start()
    yield server
    server.kill()


@pytest.fixture
def rtsp(tmp_path):
    if why := running.why_no_rtsp_server():
        pytest.skip(why)
    w, h = numbered.SIZE_WH
    for number in range(COUNT):
        (tmp_path / f"{number:03d}.i420").write_bytes(
            numbered.draw(number).tobytes() + bytes([128]) * (w * h // 2)
        )
    pipeline = (
        f"multifilesrc location={tmp_path}/%03d.i420 loop=true start-index=0 stop-index={COUNT - 1} ! "
        f"rawvideoparse format=i420 width={w} height={h} framerate=25/1 ! identity sync=true ! "
        "x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96"
    )
    server = running.rtsp_server(pipeline, "--user", "admin", "--password", PASSWORD, "--digest").start()
    yield server
    server.kill()


class Watched:
    """A pipeline that runs in a thread, and what came out of it: ``(epoch, seq, number)`` by stream."""

    def __init__(self, registry, streams, folder):
        self.seen = {stream["name"]: [] for stream in streams}
        self.jsonl = folder / "out.jsonl"
        self._changed = threading.Condition()
        plain = {
            "name": "live",
            "threads": 2,
            "stream": streams,
            "stage": [{"name": "number", "use": "number"}],
            "sink": [{"use": "jsonl", "params": {"path": str(self.jsonl)}}],
        }
        self.pipeline = Pipeline.from_dict(plain, registry=registry)
        self.pipeline.observe(self._observe)
        self._thread = threading.Thread(target=self.pipeline.run)
        self._thread.start()

    def finish(self):
        """Stop, and give the summary."""
        self.pipeline.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        summary = self.pipeline.summary()
        self.pipeline.close()
        return summary

    def wait_for(self, stream, count=10, *, later_than=-1):
        """Until ``count`` more pictures of ``stream`` have passed, of an epoch above ``later_than``: that epoch."""
        with self._changed:
            had = len(self.seen[stream])
            assert self._changed.wait_for(
                lambda: sum(epoch > later_than for epoch, _, _ in self.seen[stream][had:]) >= count,
                PATIENCE_S,
            ), f"no pictures of {stream!r}: {self.pipeline.summary().streams[stream]}"
            return self.seen[stream][-1][0]

    def _observe(self, packet):
        (number,) = packet.results["number"].class_id[0].tolist()
        with self._changed:
            self.seen[packet.frame.stream].append((packet.frame.epoch, packet.frame.seq, number))
            self._changed.notify_all()


@pytest.fixture
def watch(registry, tmp_path):
    """``watch(stream, ...)``: a pipeline that ends with the test."""
    started = []

    def start(*streams):
        started.append(Watched(registry, list(streams), tmp_path))
        return started[-1]

    yield start
    for watched in started:
        watched.finish()


REOPEN = {"within_s": 0.2}
TIMES = {"open_timeout_s": 2.0, "read_timeout_s": 1.0}


def gate(server, **rest):
    params = {"user": "admin", "password": "env:GATE_PASSWORD", **TIMES}
    return {
        "name": "gate",
        "source": f"rtsp://127.0.0.1:{server.port}/live",
        "params": params,
        "reopen": REOPEN,
    } | rest


def yard(server, **rest):
    source = f"http://127.0.0.1:{server.port}/video"
    return {"name": "yard", "source": source, "params": TIMES, "reopen": REOPEN} | rest


def check(summary, watched, stream, modulo):
    """Every frame is accounted for: by the counts, and by the numbers that the pictures carry."""
    counts, seen = summary.streams[stream], watched.seen[stream]
    assert summary.balanced
    assert counts["captured"] == counts["complete"] + sum(counts["dropped"].values())
    assert (counts["in_flight"], counts["failed"], counts["partial"], counts["undecodable"]) == (0, 0, 0, 0)
    assert counts["complete"] == len(seen)
    assert counts["outages"]["reopened"] == seen[-1][0]
    missing = 0
    for (epoch, seq, number), (next_epoch, next_seq, next_number) in pairwise(seen):
        assert next_epoch in (epoch, epoch + 1)
        if next_epoch == epoch:  # what the camera sent between two pictures was captured, and then dropped
            assert (next_number - number) % modulo == (next_seq - seq) % modulo
            missing += next_seq - seq - 1
    assert missing <= sum(counts["dropped"].values())


@pytest.mark.parametrize("kind", ["rtsp", "mjpeg"])
def test_camera_that_hangs_dies_and_comes_back(request, watch, monkeypatch, kind):
    monkeypatch.setenv("GATE_PASSWORD", PASSWORD)
    camera = request.getfixturevalue(kind)
    stream = gate(camera) if kind == "rtsp" else yard(camera)
    name = stream["name"]
    watched = watch(stream)
    epoch = watched.wait_for(name, 20)
    camera.stop()
    time.sleep(3.0)  # longer than read_timeout_s: the source has failed meanwhile
    camera.go_on()
    epoch = watched.wait_for(name, later_than=epoch)
    for _ in range(2):
        camera.kill()
        time.sleep(0.5)
        camera.start()
        epoch = watched.wait_for(name, later_than=epoch)
    summary = watched.finish()
    check(summary, watched, name, COUNT if kind == "rtsp" else 1 << 16)
    outages = summary.streams[name]["outages"]
    assert (outages["reopened"], outages["now"]) == (3, None)
    assert outages["without_pictures_s"] > 2.5
    assert summary.streams[name]["error"] is None


def test_a_short_stop_is_no_outage(mjpeg, watch):
    watched = watch(yard(mjpeg, params={"read_timeout_s": 10.0}))
    watched.wait_for("yard", 10)
    mjpeg.stop()
    time.sleep(0.7)
    mjpeg.go_on()
    watched.wait_for("yard", 10)
    summary = watched.finish()
    check(summary, watched, "yard", 1 << 16)
    assert summary.streams["yard"]["outages"]["reopened"] == 0


def test_one_camera_dies_and_the_other_goes_on(rtsp, mjpeg, watch, monkeypatch):
    monkeypatch.setenv("GATE_PASSWORD", PASSWORD)
    watched = watch(gate(rtsp, reopen="never"), yard(mjpeg))
    watched.wait_for("gate")
    watched.wait_for("yard")
    rtsp.kill()
    watched.wait_for("yard", 50)
    summary = watched.finish()
    check(summary, watched, "yard", 1 << 16)
    check(summary, watched, "gate", COUNT)
    assert summary.streams["yard"]["outages"]["reopened"] == 0
    assert summary.streams["yard"]["error"] is None
    assert f"rtsp://127.0.0.1:{rtsp.port}/live is lost" in summary.streams["gate"]["error"]


@pytest.mark.parametrize("login", ["parameters", "address"])
@pytest.mark.parametrize("isolate", [False, True])
def test_password_is_nowhere(rtsp, watch, monkeypatch, caplog, capfd, login, isolate):
    """Not in the log, the summary, the JSON Lines, on the terminal; neither while it works nor when it fails."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("GATE_PASSWORD", PASSWORD)
    stream = gate(rtsp, isolate=isolate)
    if login == "address":
        source = f"rtsp://admin:{PASSWORD}@127.0.0.1:{rtsp.port}/live"
        stream |= {"source": source, "params": TIMES}
    watched = watch(stream)
    epoch = watched.wait_for("gate")
    rtsp.kill()
    time.sleep(0.5)
    rtsp.start()
    watched.wait_for("gate", later_than=epoch)
    summary = watched.finish()
    check(summary, watched, "gate", COUNT)
    assert f"rtsp://127.0.0.1:{rtsp.port}/live" in caplog.text
    assert PASSWORD not in repr(watched.pipeline.plan.config)
    for text in [caplog.text, repr(summary), watched.jsonl.read_text(), *capfd.readouterr()]:
        assert PASSWORD not in text
        assert "admin" not in text
