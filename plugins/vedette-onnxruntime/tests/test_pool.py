"""The threads that all sessions share."""

import subprocess
import sys
import threading
import time
from queue import SimpleQueue
from textwrap import dedent

import graphs
import pytest

from vedette_onnxruntime.pool import POOL, WorkerPool


@pytest.fixture
def pool():
    pool = WorkerPool()
    yield pool
    pool.stop()


class Busy:
    """Counts the threads that jobs keep busy."""

    def __init__(self):
        self._lock = threading.Lock()
        self.now = self.most = 0
        self.ended = SimpleQueue()

    def job(self, cost):
        def run():
            with self._lock:
                self.now += cost
                self.most = max(self.most, self.now)
            time.sleep(0.001)
            with self._lock:
                self.now -= cost
            self.ended.put(cost)

        return run


@pytest.mark.parametrize("costs", [[1] * 60, [3] * 20, [1, 2, 3, 1, 1, 2] * 10, [2] * 30])
def test_the_budget_is_used_and_kept(pool, costs):
    pool.grow(3)
    busy = Busy()
    for cost in costs:
        pool.submit(cost, busy.job(cost))
    assert sorted(busy.ended.get(timeout=60) for _ in costs) == sorted(costs)
    assert 1 < busy.most <= 3


class HesitantQueue(SimpleQueue):
    """Lets other threads in before each item."""

    def put(self, item):
        time.sleep(0.0002)
        super().put(item)


def test_wide_jobs_from_several_threads_do_not_lock_each_other_out(monkeypatch):
    monkeypatch.setattr("vedette_onnxruntime.pool.SimpleQueue", HesitantQueue)
    pool = WorkerPool()
    pool.grow(3)
    busy = Busy()

    def submit():
        for _ in range(10):
            pool.submit(3, busy.job(3))
            pool.submit(2, busy.job(2))

    submitters = [threading.Thread(target=submit) for _ in range(4)]
    for submitter in submitters:
        submitter.start()
    for _ in range(80):
        busy.ended.get(timeout=20)
    assert busy.most == 3
    pool.stop()


def test_the_budget_only_grows(pool):
    for asked, budget in ((2, 2), (1, 2), (3, 3)):
        pool.grow(asked)
        assert pool.budget == budget


def test_a_stopped_pool_starts_nothing_more(pool):
    pool.grow(1)
    started, ended, later = threading.Event(), threading.Event(), threading.Event()
    pool.submit(1, lambda: (started.set(), time.sleep(0.02), ended.set()))
    started.wait(60)
    pool.submit(1, later.set)
    pool.stop()
    assert ended.is_set()
    assert not later.is_set()


def test_sessions_share_the_largest_budget(open_graph):
    for threads in (1, 3, 2):
        open_graph(graphs.double(), threads=threads)
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("vedette-ort-")]
    assert POOL.budget >= 3
    assert len(ours) >= POOL.budget
    assert all(thread.daemon for thread in ours)


def test_a_process_ends_cleanly_with_requests_in_flight(save):
    """Without the pool's last wait the runtime's threads return into an interpreter that is gone, and abort it."""
    path = save(graphs.matmul(40, 3))
    code = f"""
        import time
        from pathlib import Path
        from vedette.specs import Execution, ModelFiles
        from vedette_onnxruntime.plugin import BACKEND

        def again(slot, error):
            slot.release()
            session.acquire().submit(again)

        files = ModelFiles(format="onnx", paths=(Path({str(path)!r}),))
        session = BACKEND.open(files, "cpu", Execution(threads=4, slots=4), {{}})
        for _ in range(4):
            session.acquire().submit(again)
        time.sleep(0.05)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
