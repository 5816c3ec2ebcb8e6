"""Times of what stages say: events are told in wall-clock time, durations are measured on the clock of capture."""

from __future__ import annotations

import msgspec

from vedette.frame import Clock


class Moment(msgspec.Struct, frozen=True):
    """The same instant on the clock of capture (the medium's where there is one, else the monotonic one) and on the
    wall."""

    time_ns: int = 0
    wall_ns: int = 0

    def wall_at(self, time_ns: int) -> int:
        """The wall-clock time of an instant of capture."""
        return self.wall_ns + time_ns - self.time_ns

    def shifted(self, shift_ns: int) -> Moment:
        """With a clock of capture that is ``shift_ns`` later; the wall stays."""
        return Moment(self.time_ns + shift_ns, self.wall_ns)


def moment_of(clock: Clock) -> Moment:
    """When a frame was captured."""
    return Moment(clock.mono_ns if clock.media_ns is None else clock.media_ns, clock.wall_ns)
