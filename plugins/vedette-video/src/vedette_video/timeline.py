"""Media time from time stamps that may be missing, repeated or set back."""

from __future__ import annotations

from fractions import Fraction

RESTART_NS = 1_000_000_000
"""Time that goes back by more than this has begun anew; by less, it is a faulty time stamp."""


class Timeline:
    """Turns time stamps into media time that rises strictly.

    Parameters
    ----------
    unit_s
        Seconds of one tick.
    zero
        The tick of media time 0.
    period_ns
        Time from one picture to the next: what a missing or faulty time stamp is replaced by.

    Attributes
    ----------
    replaced
        Number of time stamps that were missing or faulty.
    """

    def __init__(self, unit_s: Fraction, zero: int, period_ns: int) -> None:
        self._unit_ns = unit_s * 1_000_000_000
        self._zero = zero
        self._period_ns = max(1, period_ns)
        self._last_ns: int | None = None
        self.replaced = 0

    def stamp(self, ticks: int | None) -> tuple[int, bool]:
        """The media time of the next picture in nanoseconds, and whether time began anew, at 0, with it.

        >>> timeline = Timeline(Fraction(1, 10), zero=0, period_ns=100_000_000)
        >>> [timeline.stamp(ticks)[0] // 1_000_000 for ticks in (0, 1, None, 3, 2)]
        [0, 100, 200, 300, 400]
        """
        last = self._last_ns
        at = None if ticks is None else round((ticks - self._zero) * self._unit_ns)
        anew = at is not None and last is not None and at < last - RESTART_NS
        if anew:
            self._zero, at = ticks or 0, 0
        if at is None or (last is not None and at <= last and not anew):
            self.replaced += 1
            at = 0 if last is None else last + self._period_ns
        self._last_ns = at
        return at, anew


class LiveTimeline:
    """The time stamps of a camera as they came, from its first picture on: none is made up, and none is corrected.

    Parameters
    ----------
    unit_s
        Seconds of one tick.
    """

    def __init__(self, unit_s: Fraction) -> None:
        self._unit_ns = unit_s * 1_000_000_000
        self._zero: int | None = None
        self._last_ns: int | None = None

    def stamp(self, ticks: int | None) -> tuple[int | None, bool]:
        """The media time of the next picture in nanoseconds, and whether time began anew, at 0, with it. ``None`` where
        the time stamp is missing or goes back a little: it cannot be right.

        >>> timeline = LiveTimeline(Fraction(1, 10))
        >>> [timeline.stamp(ticks)[0] for ticks in (7, 8, None, 20, 19)]
        [0, 100000000, None, 1300000000, None]
        """
        if ticks is None:
            return None, False
        if self._zero is None:
            self._zero = ticks
        at = round((ticks - self._zero) * self._unit_ns)
        anew = self._last_ns is not None and at < self._last_ns - RESTART_NS
        if anew:
            self._zero, at = ticks, 0
        elif self._last_ns is not None and at < self._last_ns:
            return None, False
        self._last_ns = at
        return at, anew
