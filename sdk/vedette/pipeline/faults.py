"""What happens when a stage, sink or source raises: skip, count, quarantine, or stop the pipeline."""

from __future__ import annotations

import logging
import threading
from typing import Literal

from vedette.errors import SourceError
from vedette.secrets import redacted

log = logging.getLogger("vedette.pipeline")

Verdict = Literal["go_on", "quarantine"]


class Health:
    """Errors in a row of one stage or sink, per stream. A success clears them; too many quarantine it.

    A quarantined stage is not called for that stream again until a new plan is put in.
    """

    def __init__(self, title: str, quarantine_after: int) -> None:
        self.title = title
        self._limit = quarantine_after
        self._lock = threading.Lock()
        self._in_row: dict[str, int] = {}
        self._quarantined: set[str] = set()

    def quarantined(self, stream: str) -> bool:
        return stream in self._quarantined

    def succeeded(self, stream: str) -> None:
        if stream in self._in_row:
            with self._lock:
                self._in_row.pop(stream, None)

    def failed(self, stream: str, error: Exception) -> None:
        """Record an error; the first of a row and the quarantine are logged, with the blame in the message."""
        with self._lock:
            count = self._in_row[stream] = self._in_row.get(stream, 0) + 1
            quarantine = count >= self._limit and stream not in self._quarantined
            if quarantine:
                self._quarantined.add(stream)
        if count == 1:
            log.warning("stream %r: %s", stream, error, exc_info=error.__cause__)
        if quarantine:
            log.error(
                "stream %r: %s is quarantined after %d errors in a row: %s", stream, self.title, count, error
            )


def source_error(error: Exception, provider: str) -> SourceError:
    """What a source raised, as the error that it should have been."""
    if isinstance(error, SourceError):
        return error
    return SourceError(f"source ({provider}) raised {type(error).__name__}: {redacted(str(error))}")
