"""How images come from a source: pulled one by one, or read by a thread that keeps the latest."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from vedette.pipeline.accounting import StreamAccount
from vedette.specs import Capture, Source

READ_TIMEOUT_S = 0.25
Fate = Callable[[Capture, str], None]
"""Told what became of a capture: ``admitted``, or the reason for which it was dropped."""
AHEAD = 2


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


class ReadingIntake:
    """A thread of its own reads the source all the time, so that no worker waits for it."""

    pulled = False

    def __init__(
        self,
        source: Source,
        account: StreamAccount,
        name: str,
        on_ready: Callable[[], None],
        on_fate: Fate,
    ) -> None:
        self._source = source
        self._account = account
        self._on_fate = on_fate
        self._on_ready = on_ready
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[Capture] = deque()
        self._error: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._read, name=f"vedette-source-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Capture | None:
        with self._changed:
            capture = self._waiting.popleft() if self._waiting else None
            ended = self._error is not None
            self._changed.notify()
        if capture is not None:
            if self._fresh(capture):
                return capture
            self._drop(capture, "stale")
        if ended and self._error is not None:
            raise self._error  # never held in a variable here, which its traceback would keep, and it the traceback
        return None

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        with self._changed:
            self._error = None  # its traceback refers to this object
            while self._waiting:
                self._drop(self._waiting.popleft(), "stopped")
        self._source.close()

    def _fresh(self, capture: Capture) -> bool:
        """Whether ``capture`` is still of use now that its turn has come."""
        raise NotImplementedError

    def _put(self, capture: Capture) -> None:
        """Have ``capture`` wait for its turn. Called with the lock held."""
        raise NotImplementedError

    def _drop(self, capture: Capture, reason: str) -> None:
        self._account.drop(reason)
        self._on_fate(capture, reason)

    def _read(self) -> None:
        while not self._closing:
            try:
                capture = self._source.read(READ_TIMEOUT_S)
            except Exception as error:  # including EndOfStream: the feeder decides
                with self._changed:
                    self._error = error
                self._on_ready()
                return
            if capture is not None:
                self._account.capture()
                with self._changed:
                    self._put(capture)
                del capture  # else its pixels would be kept until the next one is there
                self._on_ready()


class LatestIntake(ReadingIntake):
    """Cameras: an image nobody has taken is replaced by the next (``latest_wins``), one that waited longer than
    ``max_age_s`` is dropped (``stale``). Declared frame rates play no part."""

    def __init__(
        self,
        source: Source,
        account: StreamAccount,
        name: str,
        on_ready: Callable[[], None],
        on_fate: Fate,
        max_age_s: float,
    ) -> None:
        super().__init__(source, account, name, on_ready, on_fate)
        self._max_age_ns = int(max_age_s * 1e9)

    def _fresh(self, capture: Capture) -> bool:
        return time.monotonic_ns() - capture.clock.mono_ns <= self._max_age_ns

    def _put(self, capture: Capture) -> None:
        if self._waiting:
            self._drop(self._waiting.popleft(), "latest_wins")
        self._waiting.append(capture)


class AheadIntake(ReadingIntake):
    """Files whose source may wait: every image, read ahead of its turn by at most :data:`AHEAD`."""

    def _fresh(self, capture: Capture) -> bool:
        return True

    def _put(self, capture: Capture) -> None:
        self._changed.wait_for(lambda: len(self._waiting) < AHEAD or self._closing)
        self._waiting.append(capture)
