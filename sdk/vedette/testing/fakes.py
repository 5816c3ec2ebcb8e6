"""A clock and a source that do what a test tells them."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Image
from vedette.specs import Capture, SourceInfo


class FakeClock:
    """Stands still until it is told to advance.

    >>> clock = FakeClock(mono_ns=5)
    >>> clock.advance(0.25)
    >>> clock.now().mono_ns
    250000005
    """

    def __init__(self, *, mono_ns: int = 0, wall_ns: int = 1_700_000_000_000_000_000) -> None:
        self.mono_ns = mono_ns
        self.wall_ns = wall_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        ns = round(seconds * 1e9)
        self.mono_ns += ns
        self.wall_ns += ns

    def now(self, media_ns: int | None = None) -> Clock:
        """The clock of an image captured now."""
        return Clock(
            mono_ns=self.mono_ns,
            wall_ns=self.wall_ns,
            media_ns=media_ns,
            origin="arrival" if media_ns is None else "pts",
        )


class FakeSource:
    """Gives the images of a list, ``1 / rate_hz`` apart on its clock, without waiting.

    A pipeline measures the age of live images by the real clock: give it ``FakeClock(mono_ns=time.monotonic_ns())``.

    Parameters
    ----------
    items
        In place of an image, ``None`` makes one ``read`` find nothing within its time, and an exception is raised.
    live
        What the source says of itself; it never drops anything.
    """

    def __init__(
        self,
        items: Iterable[Image | Exception | None],
        *,
        live: bool = False,
        rate_hz: float = 25.0,
        clock: FakeClock | None = None,
    ) -> None:
        self._items = list(items)
        self._clock = clock or FakeClock()
        self._start_ns = self._clock.mono_ns
        self._period_s = 1 / rate_hz
        self._position = 0
        self._seq = 0
        images = [item for item in self._items if item is not None and not isinstance(item, Exception)]
        size_wh = images[0].size_wh if images else None
        self.info = SourceInfo(live=live, size_wh=size_wh, rate_hz=rate_hz, frames=len(images))
        self.closed = False

    def read(self, timeout_s: float) -> Capture | None:
        """See :meth:`vedette.specs.Source.read`."""
        if self.closed:
            raise SourceError("the fake source is closed")
        if self._position == len(self._items):
            raise EndOfStream
        item = self._items[self._position]
        self._position += 1
        if item is None:
            self._clock.advance(timeout_s)
            return None
        if isinstance(item, Exception):
            raise item
        capture = Capture(
            image=item, clock=self._clock.now(self._clock.mono_ns - self._start_ns), seq=self._seq
        )
        self._seq += 1
        self._clock.advance(self._period_s)
        return capture

    def close(self) -> None:
        """Closing twice is fine."""
        self.closed = True
