"""How images come from a source: pulled one by one, or read by a thread that keeps the latest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from vedette.pipeline.accounting import StreamAccount
from vedette.specs import Capture, Source

READ_TIMEOUT_S = 0.25


class Intake(Protocol):
    """Where a feeder takes captures from."""

    def start(self) -> None:
        """Begin to read, where that happens ahead of :meth:`take`."""
        ...

    def take(self) -> Capture | None:
        """The next image; ``None`` if there is none now. Raises what the source raises."""
        ...

    @property
    def pulled(self) -> bool:
        """Whether to ask again at once after ``None`` (else the intake wakes the feeder)."""
        ...

    def close(self) -> None: ...


class PulledIntake:
    """Files: every image, read by whichever worker has time, never more than the pipeline takes."""

    pulled = True

    def __init__(self, source: Source, account: StreamAccount) -> None:
        self._source = source
        self._account = account

    def start(self) -> None:
        """Nothing is read ahead."""

    def take(self) -> Capture | None:
        capture = self._source.read(READ_TIMEOUT_S)
        if capture is not None:
            self._account.capture()
        return capture

    def close(self) -> None:
        self._source.close()


class LatestIntake:
    """Cameras: a thread reads all the time; an image nobody has taken is replaced by the next (``latest_wins``), one
    that waited longer than ``max_age_s`` is dropped (``stale``). Declared frame rates play no part."""

    pulled = False

    def __init__(
        self,
        source: Source,
        account: StreamAccount,
        max_age_s: float,
        name: str,
        on_ready: Callable[[], None],
    ) -> None:
        self._source = source
        self._account = account
        self._max_age_ns = int(max_age_s * 1e9)
        self._on_ready = on_ready
        self._lock = threading.Lock()
        self._latest: Capture | None = None
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"vedette-source-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Capture | None:
        with self._lock:
            capture, self._latest = self._latest, None
            ended = self._error is not None
        if capture is not None:
            if time.monotonic_ns() - capture.clock.mono_ns <= self._max_age_ns:
                return capture
            self._account.drop("stale")
        if ended and self._error is not None:
            raise self._error  # never held in a variable here, which its traceback would keep, and it the traceback
        return None

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._error = None  # its traceback refers to this object
            if self._latest is not None:
                self._latest = None
                self._account.drop("stopped")
        self._source.close()

    def _read(self) -> None:
        while not self._closing.is_set():
            try:
                capture = self._source.read(READ_TIMEOUT_S)
            except Exception as error:  # including EndOfStream: the feeder decides
                with self._lock:
                    self._error = error
                self._on_ready()
                return
            if capture is not None:
                self._account.capture()
                with self._lock:
                    replaced, self._latest = self._latest, capture
                if replaced is not None:
                    self._account.drop("latest_wins")
                self._on_ready()
