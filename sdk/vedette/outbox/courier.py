"""Courier: brings the events of an outbox to their destination, in order, until each was received."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from vedette.outbox.outbox import Outbox
from vedette.outbox.store import Stored
from vedette.secrets import redacted

log = logging.getLogger("vedette.outbox")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
TEND_S = 2.0

Settle = Callable[[Stored, str | None], None]


class Later(Exception):  # noqa: N818 - a signal like StopIteration
    """The destination cannot be reached or takes nothing now. ``after_s``: it asked to be left alone for so long."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


class Destination(Protocol):
    """Where events are brought to. Used by one thread."""

    batch: int
    """Most events handed over at once."""

    def deliver(self, items: Sequence[Stored], settle: Settle) -> None:
        """Bring ``items`` there in order. ``settle(item, None)`` says that its receipt was confirmed, ``settle(item,
        reason)`` that it will never be taken. What is not settled comes again.

        Raises
        ------
        Later
            The rest has to wait. It should not take longer than some ten seconds to find out.
        """
        ...

    def tend(self) -> None:
        """Called every few seconds while there is nothing to deliver: keep a connection. May raise :class:`Later`."""
        ...

    def close(self) -> None:
        """Let go of everything. Closing twice is fine."""
        ...


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubled each time up to :data:`LONGEST_PAUSE_S`, half of it by
    chance, so that a thousand boxes do not come back at once."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return longest * random.uniform(0.5, 1.0)


class Courier:
    """A thread between an outbox and a destination. ``trouble``: why nothing is delivered now, else ``""``."""

    def __init__(self, outbox: Outbox, destination: Destination, title: str) -> None:
        self._outbox = outbox
        self._destination = destination
        self._title = title
        self._stopping = threading.Event()
        self._until_s: float | None = None
        self._failures = 0
        self._since_s = 0.0
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"vedette-courier-{title}", daemon=True)
        self._thread.start()

    def close(self, drain_s: float) -> None:
        """Deliver what waits, for at most ``drain_s`` and only while that succeeds; then stop. The rest stays in the
        outbox, which must have been stopped but not closed."""
        self._until_s = time.monotonic() + drain_s
        self._stopping.set()
        self._outbox.wake()
        self._thread.join(drain_s + 1.0)
        if self._thread.is_alive():
            log.warning("%s: a delivery that does not end is left behind", self._title)

    def _run(self) -> None:
        try:
            while not self._over():
                try:
                    self._turn()
                except sqlite3.ProgrammingError:
                    raise
                except sqlite3.Error as error:
                    self._failed(Later(f"the outbox cannot be read or written: {error}"))
        except sqlite3.ProgrammingError:
            log.debug("%s: the outbox was closed while a delivery went on", self._title)
        finally:
            self._destination.close()

    def _over(self) -> bool:
        if self._until_s is None:
            return False
        return self._failures > 0 or time.monotonic() >= self._until_s or not self._outbox.first(1)

    def _turn(self) -> None:
        items = self._outbox.first(self._destination.batch)
        settled: dict[int, tuple[Stored, str | None]] = {}

        def settle(item: Stored, refused: str | None) -> None:
            settled[item.seq] = (item, refused)

        trouble: Later | None = None
        try:
            if items:
                self._destination.deliver(items, settle)
            else:
                self._destination.tend()
        except Later as later:
            trouble = later
        except Exception as error:  # a defect of the destination: it must not end the deliveries
            log.error("%s: delivery raised %s", self._title, type(error).__name__, exc_info=error)
            trouble = Later(f"{type(error).__name__}: {error}")
        if items and not settled and trouble is None:
            trouble = Later("nothing was confirmed")
        done = list(settled.values())
        self._outbox.settle(
            [item for item, refused in done if refused is None],
            [(item, refused) for item, refused in done if refused is not None],
        )
        if trouble is not None:
            self._failed(trouble, begin_anew=bool(settled))
            return
        self._succeeded()
        if not items:
            self._outbox.wait(TEND_S, self._stopping.is_set)

    def _succeeded(self) -> None:
        if self._failures:
            log.warning("%s: delivers again, after %.0f s", self._title, time.monotonic() - self._since_s)
        self._failures = 0
        self.trouble = ""

    def _failed(self, later: Later, *, begin_anew: bool = False) -> None:
        reason = redacted(later.reason)
        if not self._failures:
            self._since_s = time.monotonic()
        if reason != self.trouble:
            log.warning("%s: not delivered now, events are kept: %s", self._title, reason)
        self.trouble = reason
        self._failures = 1 if begin_anew else self._failures + 1
        self._stopping.wait(max(later.after_s, pause_s(self._failures)))
