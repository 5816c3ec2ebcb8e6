"""SIGKILL, at every step that an installation takes on the file system and at random moments.

Each installation is a process forked from a server that has everything imported.
"""

import multiprocessing
import os
import random
import signal
import sys
import time

import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.store import ModelStore
from vedette.bundle.trust import Trust

OFF = Trust("off")
STEPS = {
    "open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.listdir", "os.scandir", "shutil.rmtree",
    "fcntl.flock",
}  # fmt: skip


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "numpy", "vedette.bundle.store", "vedette.bundle.checks"])
    return context


def _prove(bundle) -> None:
    """Stands for a proof: it reads the model, and takes a while."""
    bundle.graph_files("f32", "model")
    time.sleep(0.01)


def _install(root, source) -> None:
    ModelStore(root).install(source, trust=OFF, prove=_prove)


def _rollback(root, source) -> None:
    ModelStore(root).rollback("tiny")


def _remove(root, source) -> None:
    ModelStore(root).remove("tiny")


def _killed_at_step(step: int, work, root, source) -> None:
    """Do the work, and die just before its n-th step."""
    left = step

    def watch(event, arguments):
        nonlocal left
        if event in STEPS:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    work(root, source)


def debris(store):
    """What is there besides a model, its two versions and the lock."""
    allowed = {".lock", "tiny"}
    found = [path.name for path in store.root.iterdir() if path.name not in allowed]
    model = store.get("tiny")
    kept = {"current", model.path.name, model.previous and model.previous.name}
    return found + [path.name for path in (store.root / "tiny").iterdir() if path.name not in kept]


def whole(store, answer_of) -> str:
    """The version in use, which opens, is undamaged and runs: its model gives the answer that its number says."""
    with open_bundle(store.root / "tiny/current") as bundle:
        bundle.check_files()
        version = bundle.manifest.version
    assert answer_of(store.get("tiny").path) == int(version.split(".")[1]) % 3
    return version


def numbered(bundle, number: int):
    return bundle(f"1.{number}.0", number % 3)


def test_killed_before_every_step_of_an_installation(store, bundle, answer_of, processes):
    store.install(numbered(bundle, 0), trust=OFF)
    store.install(numbered(bundle, 1), trust=OFF)
    seen = set()
    for step in range(1000):
        old = whole(store, answer_of)
        new = numbered(bundle, int(old.split(".")[1]) % 6 + 1)
        arguments = (step, _install, store.root, new)
        process = processes.Process(target=_killed_at_step, args=arguments)
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        now = whole(store, answer_of)
        assert now in (old, str(new.name).split("-")[1])
        seen.add((bool(debris(store)), now == old))
        assert store.get("tiny").previous is not None
    assert step > 20
    assert seen >= {(True, True), (True, False)}, "no process was killed where it counts"
    assert debris(store) == []


def test_killed_at_fifty_random_moments(store, bundle, answer_of, processes):
    moments = random.Random(7)
    store.install(numbered(bundle, 0), trust=OFF)
    typical = []
    for number in (1, 2, 3):
        process = processes.Process(target=_install, args=(store.root, numbered(bundle, number)))
        begin = time.monotonic()
        process.start()
        process.join(60)
        typical.append(time.monotonic() - begin)
        assert process.exitcode == 0
    longest = sorted(typical)[1] * 1.1
    killed = 0
    while killed < 50:
        old = whole(store, answer_of)
        new = numbered(bundle, int(old.split(".")[1]) % 6 + 1)
        process = processes.Process(target=_install, args=(store.root, new))
        process.start()
        time.sleep(moments.uniform(0, longest))
        process.kill()
        process.join(60)
        killed += process.exitcode != 0
        assert whole(store, answer_of) in (old, new.name.split("-")[1])
        store.install(new, trust=OFF)
        assert debris(store) == []
        assert whole(store, answer_of) == new.name.split("-")[1]


def test_killed_before_every_step_of_the_first_installation(store, bundle, answer_of, processes):
    """There is no old version: there is none or the whole new one, and nothing is in the way of the next attempt."""
    for step in range(1000):
        arguments = (step, _install, store.root, numbered(bundle, 1))
        process = processes.Process(target=_killed_at_step, args=arguments)
        process.start()
        process.join(60)
        if process.exitcode == 0 or store.get("tiny"):
            break
    assert step > 10
    store.install(numbered(bundle, 2), trust=OFF)
    assert whole(store, answer_of) == "1.2.0"
    assert debris(store) == []


@pytest.mark.parametrize("work", [_rollback, _remove])
def test_killed_before_every_step_of_other_changes(store, bundle, answer_of, processes, work):
    for step in range(1000):
        store.install(numbered(bundle, 1), trust=OFF)
        store.install(numbered(bundle, 2), trust=OFF)
        process = processes.Process(target=_killed_at_step, args=(step, work, store.root, None))
        process.start()
        process.join(60)
        if store.get("tiny"):
            assert whole(store, answer_of) in ("1.1.0", "1.2.0")
        if process.exitcode == 0:
            break
    assert step > 4
    store.install(numbered(bundle, 3), trust=OFF)
    assert whole(store, answer_of) == "1.3.0"
    assert debris(store) == []


def test_the_lock_goes_with_the_process_that_had_it(store, bundle, processes):
    store.root.mkdir(parents=True)
    ready, never = processes.Event(), processes.Event()
    process = processes.Process(target=_hold, args=(store.root, ready, never))
    process.start()
    assert ready.wait(60)
    process.kill()
    store.install(bundle("1.0.0"), trust=OFF)
    process.join(60)
    assert store.get("tiny")


def _hold(root, ready, never) -> None:
    import fcntl

    with (root / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready.set()
        never.wait()
