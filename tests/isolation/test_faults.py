"""Whatever the child does is an error of its source, within a stated time, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from vedette.errors import SourceError
from vedette.isolation.messages import decode_answer

QUICK = {"timeout_s": 1.0}


def pid_of(opened) -> int:
    return opened.source._source.pid


def test_what_is_malformed_is_no_answer(plugin):
    taken_for_one = []
    for how, packet in plugin.PACKETS.items():
        try:
            answer = decode_answer(packet)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        taken_for_one.append((how, type(answer).__name__))
    assert taken_for_one == [
        ("huge_size", "Picture"),
        ("larger_than_slot", "Picture"),
        ("odd_yuyv", "Picture"),
        ("wrong_answer", "Opened"),
        ("escape", "Failed"),
    ]


@pytest.mark.parametrize(
    "how",
    ["garbage", "unknown_field", "huge_size", "larger_than_slot", "odd_yuyv", "wrong_answer", "long"],
)
def test_what_a_child_must_not_say_ends_it(open_isolated, look, how):
    before = look.children()
    opened = open_isolated("evil://", how=how, isolate={"picture_mb": 1})
    pid = pid_of(opened)
    with pytest.raises(SourceError, match=rf"pid {pid}\) sent what it must not and was killed: ."):
        look.read_on(opened, 10)
    assert look.children() == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("abort", "was ended by SIGABRT"),
        ("exit", "ended with exit code 3"),
        ("hang_up", "hung up and was killed"),
        ("nothing", "did not answer for 1 s and was killed"),
        ("spin", "did not answer for 1 s and was killed"),
        ("talk", "did not answer for 1 s and was killed"),
        ("strange_signal", "was ended by signal 40"),
    ],
)
def test_a_child_that_ends_or_hangs_is_an_error_of_its_source(open_isolated, look, how, message):
    before = look.children()
    opened = open_isolated("evil://", how=how, at=2, isolate=QUICK)
    assert len(look.read_on(opened, 2)) == 2
    began_s = time.monotonic()
    with pytest.raises(SourceError, match=message) as caught:
        look.read_on(opened, 1)
    assert "stream 'door'" in str(caught.value)
    assert time.monotonic() - began_s >= (1.0 if "did not answer" in message else 0)
    assert look.children() == before


@pytest.mark.parametrize(
    ("how", "message"), [("hang_open", "did not answer for 1.5 s"), ("abort_open", "SIGABRT")]
)
def test_a_child_that_fails_to_open_is_an_error_at_the_start(open_isolated, look, how, message):
    before = look.children()
    with pytest.raises(SourceError, match=message):
        open_isolated("evil://", how=how, isolate={"open_s": 1.5})
    assert look.children() == before


def test_a_stopped_child_is_found_out_and_killed(open_isolated, look):
    before = look.children()
    opened = open_isolated("scenes://", count=10**6, isolate=QUICK)
    look.read_on(opened, 3)
    os.kill(pid_of(opened), signal.SIGSTOP)
    with pytest.raises(SourceError, match="did not answer for 1 s"):
        look.read_on(opened, 100)
    assert look.children() == before


def test_a_parent_that_is_late_itself_blames_nobody(open_isolated, look):
    opened = open_isolated("scenes://", count=30, isolate=QUICK)
    look.read_on(opened, 3)
    time.sleep(1.5)
    assert len(look.read_on(opened)) == 27


def test_a_child_that_does_not_close_is_killed(open_isolated, look):
    before = look.children()
    opened = open_isolated("evil://", how="hang_close", at=10**9)
    look.read_on(opened, 1)
    opened.source.close()
    assert look.children() == before


def test_too_much_memory_is_an_error_of_the_source(open_isolated, look):
    opened = open_isolated("evil://", how="memory", isolate={"memory_mb": 2048})
    with pytest.raises(SourceError, match="MemoryError"):
        look.read_on(opened, 10)


def test_what_a_child_writes_is_logged_without_tricks(open_isolated, look, caplog):
    opened = open_isolated("evil://", how="flood")
    assert len(look.read_on(opened, 5)) == 5
    lines = [record.getMessage() for record in caplog.records]
    assert 100 <= len(lines) <= 250, "the flood is cut"
    assert not any("\x1b" in line or "pass" in line for line in lines)
    opened = open_isolated("evil://", how="escape")
    with pytest.raises(SourceError) as caught:
        look.read_on(opened, 10)
    assert str(caught.value) == " [2Jevil ERROR rtsp://***@c/"


def test_what_a_child_gave_up_is_seen_from_outside(open_isolated, look, monkeypatch):
    monkeypatch.setenv("DOOR_PASSWORD", "hunter2")
    monkeypatch.setenv("OTHER_PASSWORD", "correct horse")
    opened = open_isolated("scenes://", secret="env:DOOR_PASSWORD")
    process = Path(f"/proc/{pid_of(opened)}")
    visible = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    assert b"hunter2" not in visible
    assert b"correct horse" not in visible
    assert b"scenes://" not in visible
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    limits = (process / "limits").read_text()
    assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
    files = {str(fd.readlink()) for fd in (process / "fd").iterdir()}
    assert {name.partition(":")[0] for name in files} <= {"/dev/null", "/memfd", "pipe", "socket"}


def test_one_child_serves_openings_that_fail(open_isolated, look, tmp_path):
    """Starting a process for each attempt of a long outage would keep a small box busy."""
    attempts = tmp_path / "attempts"
    opened = open_isolated(
        "scenes://", attempts=str(attempts), live=True, reopen={"at_start": True, "within_s": 0.02}
    )
    assert look.read_on(opened, 1)[0].epoch == 0
    pids = attempts.read_text().split()
    assert len(pids) == 4
    assert set(pids) == {str(pid_of(opened))}
    assert opened.outages.to_builtins()["reopened"] == 1


def test_nothing_is_left_after_twenty_restarts(open_isolated, look):
    opened = open_isolated("evil://", how="abort", at=4, reopen={"within_s": 0.01})
    first = look.read_on(opened, 4)
    before = look.footprint()
    captures = look.read_on(opened, 20 * 4)
    assert [capture.epoch for capture in captures] == [n for n in range(1, 21) for _ in range(4)]
    del first, captures
    look.until(lambda: look.footprint() == before, f"{before} has become {look.footprint()}")
    opened.source.close()
    assert "Z" not in look.children().values()


PARENT = """
import sys, time
from pathlib import Path
from vedette.pipeline.config import Stream
from vedette.pipeline.sources import open_source
from vedette.registry import load_plugins

stream = Stream(name="door", source="scenes://", isolate=True, params={"count": 10**9})
opened = open_source(load_plugins(["isolated_sources"]), stream, Path(), "stream[0]")
while opened.source.read(1.0) is None:
    pass
print(opened.source._source.pid, flush=True)
time.sleep(1e6)
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_a_child_dies_with_its_parent(look, stopped):
    path = os.pathsep.join([str(Path(__file__).parent / "plugins"), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    if stopped:
        os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    look.until(lambda: state(child) in ("", "Z"), "the child outlives its parent")


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
