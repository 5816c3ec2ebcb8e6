"""Isolated streams in a pipeline: one fails or is opened again, the others complete every frame."""

import os
import signal
import threading
import time
from collections import Counter

import pytest

from vedette.errors import SourceError
from vedette.pipeline.run import Pipeline

STAGE = [{"name": "look", "use": "look"}]
SHOT = "head-pose-face-detection-female-and-male.mp4"


@pytest.fixture
def shot(data) -> str:
    """Two seconds of real video, 56 frames."""
    return str(data / "videos" / SHOT)


@pytest.fixture
def run(registry):
    """``run(streams, on_packet)``: the summary, and the frames seen as ``(stream, epoch, seq)``."""

    def run_pipeline(streams, on_packet=lambda pipeline, frame: None):
        seen = []
        with Pipeline.from_dict({"stream": streams, "stage": STAGE}, registry=registry) as pipeline:

            def observe(packet) -> None:
                seen.append((packet.frame.stream, packet.frame.epoch, packet.frame.seq))
                on_packet(pipeline, packet.frame)

            pipeline.observe(observe)
            summary = pipeline.run()
        return summary, seen

    return run_pipeline


def pid_of(pipeline, stream: str) -> int:
    return pipeline._streams[stream]._intake._source._source.pid


@pytest.mark.parametrize("isolate", [False, True])
def test_every_frame_of_a_file_comes_in_order(run, look, shot, isolate):
    summary, seen = run([{"name": "a", "source": shot, "isolate": isolate}])
    assert summary.balanced
    assert summary.streams["a"]["complete"] == summary.streams["a"]["captured"] == 56
    assert seen == [("a", 0, n) for n in range(56)]
    assert not look.children()


@pytest.mark.parametrize("kill", [signal.SIGABRT, signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("reopen", ["never", {"times": 1, "within_s": 0.05}], ids=["never", "reopen"])
def test_the_others_go_on(run, look, shot, kill, reopen):
    struck = []

    def strike(pipeline, frame) -> None:
        if (frame.stream, frame.epoch, frame.seq) == ("bad", 0, 20) and not struck:
            struck.append(pid_of(pipeline, "bad"))
            os.kill(struck[0], kill)

    bad = {"name": "bad", "source": shot, "isolate": {"timeout_s": 1.0}, "reopen": reopen, "in_flight": 1}
    others = [
        {"name": "plain", "source": shot},
        {"name": "isolated", "source": shot, "isolate": True},
    ]
    summary, seen = run([bad, *others], strike)
    assert struck
    assert summary.balanced
    for name in ("plain", "isolated"):
        assert summary.streams[name]["complete"] == 56
        assert [item for item in seen if item[0] == name] == [(name, 0, n) for n in range(56)]
    account = summary.streams["bad"]
    frames = [(epoch, seq) for name, epoch, seq in seen if name == "bad"]
    before = [seq for epoch, seq in frames if epoch == 0]
    assert before == list(range(len(before)))
    assert 21 <= len(before) < 56
    assert account["complete"] == account["captured"] - account["dropped"].get("stopped", 0) == len(frames)
    how = "did not answer for 1 s" if kill == signal.SIGSTOP else f"was ended by {kill.name}"
    if reopen == "never":
        assert how in account["error"]
        assert len(frames) == len(before)
    else:
        assert account["error"] is None
        assert how in account["outages"]["last_error"]
        assert account["outages"]["reopened"] == 1
        assert [seq for epoch, seq in frames if epoch == 1] == list(range(56))
    assert not look.children()


def test_a_damaged_picture_is_a_failed_frame_and_nothing_more(run):
    summary, _ = run(
        [{"name": "a", "source": "scenes://", "isolate": True, "params": {"encoded": True, "count": 5}}]
    )
    account = summary.streams["a"]
    assert summary.balanced
    assert Counter({key: account[key] for key in ("complete", "failed", "undecodable")}) == Counter(
        complete=4, failed=1, undecodable=1
    )
    assert any("picture 2 is torn" in error for error in summary.stages["look"]["errors"])


def test_from_an_isolated_camera_the_latest_wins(run, look):
    params = {"live": True, "count": 400}
    stream = {"name": "a", "source": "scenes://", "isolate": True, "params": params, "max_age_ms": 1e15}
    summary, seen = run(
        [stream],
        lambda pipeline, frame: look.until(
            lambda: pipeline.summary().streams["a"]["captured"] == 400, "the source waits for the pipeline"
        ),
    )
    account = summary.streams["a"]
    assert summary.balanced
    assert account["captured"] == 400
    assert account["dropped"]["latest_wins"] > 0
    assert account["complete"] + sum(account["dropped"].values()) == 400
    assert seen[-1][1:] == (399 // 3, 399 % 3)


def test_an_error_that_the_source_reports_itself_keeps_its_words(run, look):
    stream = {"name": "a", "source": "scenes://", "isolate": True, "params": {"fail_at": 3}}
    with pytest.raises(SourceError, match="the film tore"):
        run([stream])
    assert not look.children()


def test_the_run_ends_promptly_while_a_child_hangs(registry, look):
    streams = [
        {"name": "a", "source": "evil://", "isolate": {"timeout_s": 600.0}, "params": {"how": "nothing"}},
        {"name": "b", "source": "scenes://", "isolate": True, "params": {"count": 10**9}},
    ]
    pipeline = Pipeline.from_dict({"stream": streams, "stage": STAGE}, registry=registry)
    runner = threading.Thread(target=pipeline.run)
    runner.start()
    look.until(lambda: pipeline.summary().streams["a"]["complete"] == 3, "the child does not get to hang")
    began_s = time.monotonic()
    pipeline.close()
    runner.join(60)
    assert not runner.is_alive()
    assert time.monotonic() - began_s < 60
    assert pipeline.summary().balanced
    assert not look.children()


def test_a_pipeline_that_is_never_run_leaves_no_child(registry, look):
    stream = {"name": "a", "source": "scenes://", "isolate": True}
    Pipeline.from_dict({"stream": [stream], "stage": STAGE}, registry=registry).close()
    assert not look.children()
