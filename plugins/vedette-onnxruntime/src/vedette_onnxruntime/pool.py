"""The threads that run requests. One pool for all sessions of the process, so that their sum keeps one budget.

ONNX Runtime has threads of its own within a request only, and its ``run_async`` refuses sessions with one thread per
request, the setting with the best throughput.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], object]

LAST_RUNS_S = 10.0
"""How long the end of the process waits for requests in flight. A thread that came back from the runtime into an
interpreter that is gone would crash it."""


class WorkerPool:
    """Daemon threads, first come, first served. A job may take several threads of the budget."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopping = False

    @property
    def budget(self) -> int:
        """Threads that may be busy at once."""
        return len(self._threads)

    def grow(self, budget: int) -> None:
        """Raise the budget to ``budget``, if it is lower."""
        with self._lock:
            while len(self._threads) < budget:
                name = f"vedette-ort-{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def submit(self, cost: int, job: Job) -> None:
        """Queue ``job``, which must not raise and keeps ``cost`` threads busy, at most the budget. Never blocks.

        For a job that costs several threads, companions go into the queue before it: each holds back a thread until the
        job has ended. When its turn comes they have all been taken, so it never waits for them.
        """
        if cost == 1:
            self._jobs.put(job)
            return
        ended = threading.Event()

        def run() -> None:
            job()
            ended.set()

        with self._lock:  # the companions of two jobs must not mix: each could hold back what the other needs
            for _ in range(cost - 1):
                self._jobs.put(ended.wait)
            self._jobs.put(run)

    def stop(self) -> None:
        """Start no more jobs and wait for those that run, at most ``LAST_RUNS_S``."""
        deadline = time.monotonic() + LAST_RUNS_S
        self._stopping = True
        for _ in self._threads:
            self._jobs.put(lambda: None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if self._stopping:
                return
            job()
            del job  # an idle thread keeps no session alive


POOL = WorkerPool()
atexit.register(POOL.stop)
