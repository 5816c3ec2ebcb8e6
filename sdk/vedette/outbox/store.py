"""The events of an outbox as rows: added, read in order, taken out. Everything here is one transaction."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vedette.outbox.database import Lock, open_database, readable_rows

log = logging.getLogger("vedette.outbox")


@dataclass(frozen=True, slots=True)
class Stored:
    """An event that waits. ``body`` is its line of JSON (:func:`vedette.sinks.record.event_line`)."""

    seq: int
    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that its destination will not take, and why."""

    seq: int
    id: str
    reason: str


class Store:
    """The open file. Thread-safe. ``waiting`` and ``size`` (bytes of bodies) count what is not delivered yet, and
    ``oldest`` is when the first of it came, by :meth:`now`. ``refused_count`` counts what its destination will
    not take.

    Raises
    ------
    PipelineError
        As :class:`vedette.outbox.database.Lock` and :func:`vedette.outbox.database.open_database`.
    """

    def __init__(self, path: Path) -> None:
        self._guard = threading.Lock()
        self._lock = Lock(path)
        try:
            self._connection, self.damaged = open_database(path)
        except BaseException:
            self._lock.release()
            raise
        self._closed = False
        rows = self._connection.execute(
            "SELECT count(*), total(length(body)), max(born) FROM event WHERE refused IS NULL"
        )
        self.waiting, size, latest = next(rows)
        self.size = int(size)
        self.refused_count = self._connection.execute(
            "SELECT count(*) FROM event WHERE refused IS NOT NULL"
        ).fetchone()[0]
        self.refused_last = ""
        self._offset = (latest or 0.0) - time.monotonic()
        self.oldest: float | None = None
        self._find_oldest()
        if self.damaged is not None:
            self._take_over(self.damaged)

    def now(self) -> float:
        """Seconds by a clock that only runs while the outbox is open: no wall clock that is set makes events old."""
        return time.monotonic() + self._offset

    def add(self, rows: Sequence[tuple[str, bytes]]) -> int:
        """Add events by id and body, on disk when this returns. Those whose id is there already are left as they are;
        returns how many were new."""
        added = added_size = 0
        born = self.now()
        with self._transaction() as connection:
            for key, body in rows:
                done = connection.execute(
                    "INSERT OR IGNORE INTO event (id, born, body) VALUES (?, ?, ?)", (key, born, body)
                )
                added += done.rowcount
                added_size += len(body) * done.rowcount
        self._count(added, added_size)
        return added

    def first(self, count: int, size: int) -> list[Stored]:
        """The oldest that wait: at most ``count``, and no more than ``size`` bytes unless one alone is more."""
        found: list[Stored] = []
        total = 0
        with self._guard:
            rows = self._connection.execute(
                "SELECT seq, id, body FROM event WHERE refused IS NULL ORDER BY seq LIMIT ?", (count,)
            )
            for seq, key, body in rows:
                total += len(body)
                if found and total > size:
                    break
                found.append(Stored(seq, key, body))
            rows.close()
        return found

    def settle(self, delivered: Iterable[Stored], refused: Iterable[tuple[Stored, str]] = ()) -> None:
        """Take out what was delivered, and mark what will not be."""
        gone = gone_size = marked = 0
        with self._transaction() as connection:
            for item in delivered:
                done = connection.execute("DELETE FROM event WHERE seq = ? AND refused IS NULL", (item.seq,))
                gone += done.rowcount
                gone_size += len(item.body) * done.rowcount
            for item, reason in refused:
                done = connection.execute(
                    "UPDATE event SET refused = ? WHERE seq = ? AND refused IS NULL", (reason, item.seq)
                )
                gone += done.rowcount
                gone_size += len(item.body) * done.rowcount
                marked += done.rowcount
                self.refused_last = reason
        self.refused_count += marked
        self._count(-gone, -gone_size)

    def drop(self, size: int, before: float | None) -> int:
        """Drop the oldest that wait until no more than ``size`` bytes are left, and none from before ``before``."""
        dropped = dropped_size = 0
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT seq, born, length(body) FROM event WHERE refused IS NULL ORDER BY seq"
            )
            last = 0
            for seq, born, length in rows:
                if self.size - dropped_size <= size and (before is None or born >= before):
                    break
                last, dropped, dropped_size = seq, dropped + 1, dropped_size + length
            rows.close()
            connection.execute("DELETE FROM event WHERE seq <= ? AND refused IS NULL", (last,))
        self._count(-dropped, -dropped_size)
        return dropped

    def refused(self) -> list[Refused]:
        """What its destination will not take, the oldest first."""
        with self._guard:
            rows = self._connection.execute(
                "SELECT seq, id, refused FROM event WHERE refused IS NOT NULL ORDER BY seq"
            ).fetchall()
        return [Refused(*row) for row in rows]

    def forget_refused(self, kept: int, size: int) -> int:
        """Drop the oldest refused ones beyond ``kept`` or ``size`` bytes; how many."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT seq, length(body) FROM event WHERE refused IS NOT NULL ORDER BY seq DESC"
            ).fetchall()
            total, gone = 0, []
            for number, (seq, length) in enumerate(rows):
                total += length
                if number >= kept or total > size:
                    gone.append((seq,))
            connection.executemany("DELETE FROM event WHERE seq = ?", gone)
        self.refused_count -= len(gone)
        return len(gone)

    def retry_refused(self) -> int:
        """Have what was refused wait again; how many."""
        with self._transaction() as connection:
            count, size = connection.execute(
                "SELECT count(*), total(length(body)) FROM event WHERE refused IS NOT NULL"
            ).fetchone()
            connection.execute("UPDATE event SET refused = NULL WHERE refused IS NOT NULL")
        self.refused_count = 0
        self._count(int(count), int(size))
        return int(count)

    def close(self) -> None:
        """Closing twice is fine."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._connection.close()
            self._lock.release()

    def _take_over(self, damaged: Path) -> None:
        rows = readable_rows(damaged)
        self.add([(key, body) for key, body, refused in rows if refused is None])
        log.error("outbox: %d waiting events were taken over from %s", self.waiting, damaged)

    def _count(self, items: int, size: int) -> None:
        with self._guard:
            self.waiting += items
            self.size += size
            if not self._closed:
                self._find_oldest()

    def _find_oldest(self) -> None:
        row = self._connection.execute(
            "SELECT born FROM event WHERE refused IS NULL ORDER BY seq LIMIT 1"
        ).fetchone()
        self.oldest = None if row is None else row[0]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            if self._closed:
                raise sqlite3.ProgrammingError("the outbox is closed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
