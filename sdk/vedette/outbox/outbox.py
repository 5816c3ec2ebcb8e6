"""Outbox: takes events at once, commits them in groups, and says when there is no room for more."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vedette.errors import PipelineError
from vedette.outbox.params import OutboxParams
from vedette.outbox.store import Store, Stored

log = logging.getLogger("vedette.outbox")

GROUP_S = 0.02
"""How long a commit waits for company; with the commit itself, events are on an idle disk within 50 ms."""
GROUP_BYTES = 4_000_000
RETRY_S = 1.0
REFUSED_KEPT = 1000
ROOM_AGAIN = 0.9
"""Part of the bound below which a full outbox has room again."""

OnCommit = Callable[[list[str]], None]


class Outbox:
    """The open outbox of one sink. Thread-safe.

    Parameters
    ----------
    on_commit
        Told of the ids of each group when its commit has returned, by the thread that commits.

    Raises
    ------
    PipelineError
        The database is in use, is something else, or cannot be opened.
    """

    def __init__(self, params: OutboxParams, on_commit: OnCommit | None = None) -> None:
        self._params = params
        self._path = Path(params.path).expanduser().absolute()
        self._store = Store(self._path)
        self._on_commit = on_commit
        self._changed = threading.Condition(threading.Lock())
        self._pending: list[tuple[str, bytes]] = []
        self._pending_size = 0
        self._since_s = 0.0
        self._put = self._committed = 0
        self._hurry = self._closing = self._full = False
        self._failure = ""
        self.repeated = self.dropped = self.refusals_dropped = self.delivered = 0
        if self._store.waiting:
            log.info("outbox %s: %d events wait from before", self._path, self._store.waiting)
        self._thread = threading.Thread(target=self._run, name="vedette-outbox", daemon=True)
        self._thread.start()

    # --- for the sink ---------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes) -> None:
        """Take an event. Never waits and never refuses: what bounds the outbox is :meth:`ready`."""
        with self._changed:
            if self._closing:
                raise PipelineError(f"outbox {self._path}: is closed already")
            if not self._pending:
                self._since_s = time.monotonic()
            self._pending.append((key, body))
            self._pending_size += len(body)
            self._put += 1
            self._changed.notify_all()

    def ready(self) -> bool:
        """Whether more should come: there is room, and commits succeed."""
        return not self._failure and (self._params.full == "oldest" or not self._is_full())

    def flush(self, timeout_s: float = 30.0) -> None:
        """Return when all that was put before is on disk.

        Raises
        ------
        PipelineError
            It is not, after ``timeout_s``.
        """
        with self._changed:
            wanted = self._put
            self._hurry = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._committed >= wanted, timeout_s):
                raise self._not_stored(wanted - self._committed)

    def status(self) -> dict[str, Any]:
        """What it holds, as plain data: waiting and refused events, their age, what was dropped. Cheap."""
        oldest = self._store.oldest
        return {
            "waiting": self._store.waiting + len(self._pending),
            "waiting_bytes": self._store.size + self._pending_size,
            "oldest_s": None if oldest is None else round(self._store.now() - oldest, 1),
            "delivered": self.delivered,
            "repeated": self.repeated,
            "dropped": self.dropped,
            "refused": self._store.refused_count,
            "refused_last": self._store.refused_last,
            "refused_dropped": self.refusals_dropped,
            "failing": self._failure,
            "damaged": None if self._store.damaged is None else str(self._store.damaged),
        }

    def stop(self) -> None:
        """Commit what was put, and take no more. What is stored can still be delivered.

        Raises
        ------
        PipelineError
            Something could not be stored.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._committed < self._put:
            lost, self._put = self._put - self._committed, self._committed
            raise self._not_stored(lost)

    def close(self) -> None:
        """Close the database. Closing twice is fine."""
        try:
            self.stop()
        finally:
            self._store.close()

    # --- for the courier ------------------------------------------------------------------------------------------

    def first(self, count: int, size: int = GROUP_BYTES) -> list[Stored]:
        """The oldest events that wait."""
        return self._store.first(count, size)

    def settle(self, delivered: list[Stored], refused: Iterable[tuple[Stored, str]] = ()) -> None:
        """Take out what was delivered, and put aside what never will be."""
        marked = list(refused)
        if not delivered and not marked:
            return
        self._store.settle(delivered, marked)
        self.delivered += len(delivered)
        for item, reason in marked:
            log.error("outbox %s: event %s was refused and is kept: %s", self._path, item.id, reason)
        if marked:
            gone = self._store.forget_refused(REFUSED_KEPT, int(self._params.max_mb * 1e6 / 4))
            self.refusals_dropped += gone
            if gone:
                log.error("outbox %s: %d refused events are dropped, there are too many", self._path, gone)

    def wait(self, timeout_s: float, over: Callable[[], bool]) -> None:
        """Return when events wait to be delivered, after :meth:`wake` if it is ``over``, or after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._store.waiting > 0 or over(), timeout_s)

    def wake(self) -> None:
        """Have :meth:`wait` look again."""
        with self._changed:
            self._changed.notify_all()

    # --- the committer --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                if not self._pending:
                    return
                self._changed.wait_for(
                    lambda: self._hurry or self._closing or self._pending_size >= GROUP_BYTES,
                    self._since_s + GROUP_S - time.monotonic(),
                )
                group, size = self._pending[:], self._pending_size
                self._hurry = False
            if not self._commit(group):
                return
            with self._changed:
                del self._pending[: len(group)]
                self._pending_size -= size
                self._since_s = time.monotonic()
                self._committed += len(group)
                self._changed.notify_all()

    def _commit(self, group: list[tuple[str, bytes]]) -> bool:
        """Store a group, however long that takes; ``False``: the outbox closes and it cannot be stored."""
        while True:
            try:
                repeated = len(group) - self._store.add(group)
                if self._on_commit is not None:
                    self._on_commit([key for key, _ in group])
            except sqlite3.Error as error:
                if not self._failure:
                    log.error("outbox %s: events cannot be stored, no more come: %s", self._path, error)
                self._failure = str(error)
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, RETRY_S):
                        return False
                continue
            if self._failure:
                log.warning("outbox %s: events can be stored again", self._path)
                self._failure = ""
            if repeated and not self.repeated:
                log.info("outbox %s: an event that waits already came again", self._path)
            self.repeated += repeated
            self._keep_bounds()
            return True

    def _keep_bounds(self) -> None:
        if self._params.full != "oldest" or not self._is_full():
            return
        age_h = self._params.max_age_h
        before = None if age_h is None else self._store.now() - age_h * 3600
        try:
            gone = self._store.drop(int(self._params.max_mb * 1e6 * ROOM_AGAIN), before)
        except sqlite3.Error as error:
            log.error("outbox %s: old events cannot be dropped: %s", self._path, error)
            return
        if gone:
            self.dropped += gone
            log.error("outbox %s is full: the %d oldest events are dropped", self._path, gone)

    def _is_full(self) -> bool:
        bound = self._params.max_mb * 1e6 * (ROOM_AGAIN if self._full else 1.0)
        oldest, age_h = self._store.oldest, self._params.max_age_h
        late = oldest is not None and age_h is not None and self._store.now() - oldest > age_h * 3600
        self._full = late or self._store.size + self._pending_size >= bound
        return self._full

    def _not_stored(self, count: int) -> PipelineError:
        return PipelineError(
            f"outbox {self._path}: {count} events are not on disk: {self._failure or 'it takes too long'}",
            fix="check the disk's free space and permissions",
        )
