"""Tasks and the workers that run them.

A task is run by one worker at a time, until it can go no further. Waiting is never done in a worker: a task that
waits simply returns, and whatever it waits for calls :meth:`Task.wake`. Wakes are idempotent and never lost: one
that comes while the task is running makes it run once more.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger("vedette.pipeline")


class Task:
    """Something to run; subclasses implement :meth:`step`. ``urgent`` tasks run before the others; one that is ``over``
    is not run again, whoever wakes it late."""

    urgent = True
    over = False

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self._guard = threading.Lock()
        self._scheduled = False
        self._running = False

    def step(self) -> None:
        """Go as far as possible without waiting."""
        raise NotImplementedError

    def wake(self) -> None:
        """Have :meth:`step` run, soon. From any thread, any number of times."""
        with self._guard:
            if self._scheduled or self.over:
                return
            self._scheduled = True
            if self._running:
                return  # the worker that runs it now will see the mark
        self.workers.push(self)

    def execute(self) -> None:
        """One turn, by a worker."""
        with self._guard:
            self._scheduled = False
            self._running = True
        try:
            self.step()
        finally:
            with self._guard:
                self._running = False
                again = self._scheduled and not self.over
            if again:
                self.workers.push(self)


class Workers:
    """A fixed number of threads that run tasks to completion, urgent ones first, first come first served.

    ``on_crash`` receives an error that a task let escape: a defect in Vedette, not in a plugin, and fatal.
    """

    def __init__(self, count: int, on_crash: Callable[[Exception], None]) -> None:
        self.count = count
        self._on_crash = on_crash
        self._ready: deque[Task] = deque()
        self._later: deque[Task] = deque()
        self._timers: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._wanted = threading.Condition(threading.Lock())
        self._idle = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for index in range(self.count):
            thread = threading.Thread(target=self._loop, name=f"vedette-worker-{index}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let each worker finish its task and end; tasks still waiting are not run."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def push(self, task: Task) -> None:
        with self._wanted:
            (self._ready if task.urgent else self._later).append(task)
            if self._idle:
                self._wanted.notify()

    def wake_at(self, mono_s: float, task: Task) -> None:
        """Wake ``task`` at ``mono_s`` of :func:`time.monotonic`."""
        with self._wanted:
            heapq.heappush(self._timers, (mono_s, next(self._order), task))
            if self._idle:
                self._wanted.notify()

    def _loop(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.execute()
            except Exception as error:
                log.critical("internal error in %s", type(task).__name__, exc_info=error)
                self._on_crash(error)

    def _next(self) -> Task | None:
        while True:
            due: Task | None = None
            with self._wanted:
                while not self._stopping:
                    if self._timers and self._timers[0][0] <= time.monotonic():
                        due = heapq.heappop(self._timers)[2]
                        break
                    if self._ready:
                        return self._ready.popleft()
                    if self._later:
                        return self._later.popleft()
                    self._idle += 1
                    self._wanted.wait(self._timers[0][0] - time.monotonic() if self._timers else None)
                    self._idle -= 1
                else:
                    return None
            due.wake()
