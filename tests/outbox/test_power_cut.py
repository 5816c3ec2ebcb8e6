"""Power cuts at random moments: the outbox opens, and all that was committed is in it or was delivered."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from power_replay import Replay, read_log

from vedette.outbox.store import Store

CUTS = 100

PROGRAM = """
import os, random, sys, time

from vedette.outbox.courier import Courier, Later
from vedette.outbox.outbox import Outbox
from vedette.outbox.params import OutboxParams

folder, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
journal = os.open(f"{folder}/journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(word, ids):
    os.write(journal, "".join(f"{word}{key}\\n" for key in ids).encode())


class Depot:
    batch = 7

    def deliver(self, items, settle):
        for item in items:
            if draw.random() < 0.1:
                raise Later("not now")
            note("D", [item.id])
            settle(item, "never" if draw.random() < 0.05 else None)

    def tend(self): pass
    def close(self): pass


import vedette.outbox.courier as courier
courier.FIRST_PAUSE_S = 0.002
number = 0
for session in range(4):
    outbox = Outbox(OutboxParams(path=f"{folder}/box.db"), lambda ids: note("C", ids))
    bringer = Courier(outbox, Depot(), "depot") if session % 2 else None
    for _ in range(40):
        for _ in range(draw.randint(1, 4)):
            outbox.put(f"id-{number}", b"%d" % number * draw.randint(1, 3000))
            number += 1
        if draw.random() < 0.5:
            outbox.flush()
    outbox.stop()
    if bringer:
        bringer.close(2.0)
    outbox.close()
"""


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """What a busy process did to the files of its outbox."""
    folder = tmp_path_factory.mktemp("power")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc: apt-get install gcc")
    library = folder / "write_log.so"
    source = Path(__file__).parent / "write_log.c"
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Werror",
        "-o",
        library,
        source,
        "-ldl",
        "-lpthread",
    ]
    subprocess.run(command, check=True, capture_output=True)
    box = folder / "box"
    box.mkdir()
    environment = {
        **os.environ, "LD_PRELOAD": str(library), "VEDETTE_LOG": str(folder / "log"), "VEDETTE_LOG_PREFIX": f"{box}/"
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, box, "1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return read_log(folder / "log")


def events_in(folder: Path) -> dict[str, bytes]:
    store = Store(folder / "box.db")
    try:
        assert store.damaged is None
        waiting = {item.id: item.body for item in store.first(10**6, 10**9)}
        return waiting | {item.id: b"" for item in store.refused()}
    finally:
        store.close()


def check(replay: Replay, folder: Path, draw: random.Random) -> tuple[int, int]:
    """Cut the power now; how many events had been committed, and how many were there."""
    replay.cut(folder, draw)
    told = replay.told()
    committed = {word[1:] for word in told if word[0] == "C"}
    delivered = {word[1:] for word in told if word[0] == "D"}
    found = events_in(folder)
    assert committed - delivered <= found.keys(), "what was committed and not delivered is there"
    for key, body in found.items():
        number = key.removeprefix("id-").encode()
        assert body == number * (len(body) // len(number)), "and whole"
    return len(committed), len(found)


def test_after_a_power_cut_all_that_was_committed_is_there(steps, tmp_path):
    draw = random.Random(5)
    moments = set(draw.sample(range(len(steps)), min(CUTS, len(steps))))
    replay, seen = Replay("journal"), []
    for index, step in enumerate(steps):
        replay.do(step)
        if index in moments:
            folder = tmp_path / str(index)
            folder.mkdir()
            seen.append(check(replay, folder, draw))
            shutil.rmtree(folder)
    assert len(seen) == len(moments)
    assert max(committed for committed, _ in seen) > 100
    assert max(found for _, found in seen) > 50


def test_the_log_saw_what_counts(steps):
    """Otherwise nothing was tested."""
    kinds = {kind: sum(step.kind == kind for step in steps) for kind in range(1, 6)}
    assert kinds[1] >= 3
    assert kinds[2] > 200
    assert kinds[4] > 50, "syncs"
    assert kinds[5] >= 1, "the WAL is removed when it is closed"


def test_without_syncs_events_would_be_lost(steps, tmp_path):
    """The test can fail: a disk that had ignored all syncs would have lost committed events."""
    draw = random.Random(6)
    replay = Replay("journal")
    lost = 0
    for index, step in enumerate(steps):
        if step.kind != 4:
            replay.do(step)
        if index % 40 == 39:
            folder = tmp_path / str(index)
            folder.mkdir()
            try:
                check(replay, folder, draw)
            except Exception:
                lost += 1
            shutil.rmtree(folder)
    assert lost > 3
