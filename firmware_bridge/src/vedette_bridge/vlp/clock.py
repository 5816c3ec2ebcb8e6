"""The clock that a link runs by."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]
"""Gives microseconds."""


class SteadyClock:
    """A clock that never goes back. Where the one beneath does, it goes on from where it was: a timer is then late by
    one step, not by as much as the clock was set back.

    Attributes
    ----------
    ahead
        By how much this clock is ahead of the one beneath.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = 0
        self._last = clock()

    def __call__(self) -> int:
        now = self._clock() + self.ahead
        if now < self._last:
            self.ahead += self._last - now
            now = self._last
        self._last = now
        return now
