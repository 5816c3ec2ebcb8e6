"""The times in which a stream had no pictures because its source failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from vedette.errors import SourceError


class Outages:
    """What is known of the outages of one stream, for its summary. Thread-safe.

    An outage begins when the source fails and ends with the next picture.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._reopened = 0
        self._last_reopened: str | None = None
        self._last_error: str | None = None
        self._past_s = 0.0
        self._began_s: float | None = None
        self._began: str | None = None
        self._attempts = 0
        self._frozen_s: float | None = None

    def begin(self, error: SourceError) -> bool:
        """The source failed, or could not be opened again. Whether this begins an outage."""
        with self._lock:
            self._last_error = error.message
            if self._began_s is not None:
                return False
            self._began_s, self._began, self._attempts = self._monotonic(), _now(), 0
            return True

    def attempt(self) -> None:
        """The source is opened once more."""
        with self._lock:
            self._attempts += 1

    def end(self) -> tuple[float, int] | None:
        """There are pictures. How long there were none, and after how many attempts; ``None``: there was no outage."""
        with self._lock:
            if self._began_s is None:
                return None
            length_s, attempts = self._length_s(), self._attempts
            self._past_s += length_s
            self._began_s = self._began = None
            self._reopened += 1
            self._last_reopened = _now()
            return length_s, attempts

    def freeze(self) -> None:
        """The stream has ended: an outage grows no longer."""
        with self._lock:
            self._frozen_s = self._monotonic()

    @property
    def length_s(self) -> float:
        """How long the present outage has lasted; 0 if there is none."""
        with self._lock:
            return self._length_s()

    def to_builtins(self) -> dict[str, Any]:
        """``reopened``: outages that are over; ``now``: the one that is not; times in UTC."""
        with self._lock:
            now = None if self._began is None else {"since": self._began, "attempts": self._attempts}
            return {
                "reopened": self._reopened,
                "last_reopened": self._last_reopened,
                "without_pictures_s": round(self._past_s + self._length_s(), 3),
                "last_error": self._last_error,
                "now": now,
            }

    def _length_s(self) -> float:
        if self._began_s is None:
            return 0.0
        return (self._monotonic() if self._frozen_s is None else self._frozen_s) - self._began_s


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
