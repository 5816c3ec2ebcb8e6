"""Crossing a line, and being in a zone: state machines of one track, of numbers only.

Both change their mind only beyond a margin, so that a box that trembles on an edge is not counted again and again.
"""

from __future__ import annotations

import msgspec
import numpy as np

from vedette_tracking.geometry import Floats, distance_right


class Approach(msgspec.Struct, frozen=True):
    """A track before a line.

    ``x``, ``y`` and ``seen_ns``: where and when it was last; ``side``: 1 to the right of the line, -1 to the left, as
    far as it was beyond the margin, 0 while it never was; ``through``: the latest step from one side to the other went
    between the ends of the line.
    """

    x: float
    y: float
    seen_ns: int
    side: int = 0
    through: bool = False


def approach(
    before: Approach | None, xy: tuple[float, float], start: Floats, end: Floats, margin: float, time_ns: int
) -> tuple[Approach, int]:
    """The next position, and the crossing that it completes: 1 to the right, -1 to the left, 0 none.

    A crossing is complete beyond ``margin`` pixels, however many steps or how large a step it took, and counts if the
    path went between ``start`` and ``end``.
    """
    here = np.array(xy)
    distance = float(distance_right(here[None], start, end)[0])
    settled = 0 if abs(distance) <= margin else 1 if distance > 0 else -1
    if before is None:
        return Approach(*xy, time_ns, settled), 0
    through = before.through
    there = np.array([before.x, before.y])
    earlier = float(distance_right(there[None], start, end)[0])
    if (earlier >= 0) != (distance >= 0):
        meets = there + (here - there) * (earlier / (earlier - distance))
        along = end - start
        through = bool(0 <= (meets - start) @ along <= along @ along)
    crossed = settled if settled and before.side == -settled and through else 0
    return Approach(*xy, time_ns, settled or before.side, through), crossed


class Visit(msgspec.Struct, frozen=True):
    """A track in a zone: since when, seen when, of which class; ``dwelt``: it was told that it is there for long."""

    entered_ns: int
    seen_ns: int
    class_id: int
    dwelt: bool = False

    @property
    def seconds(self) -> float:
        return (self.seen_ns - self.entered_ns) / 1e9


def visit(before: Visit | None, inside: float, margin: float, class_id: int, time_ns: int) -> Visit | None:
    """The visit after the next position, ``inside`` pixels from the edge; ``None`` outside. It begins at the edge and
    ends ``margin`` pixels beyond it."""
    if before is None:
        return Visit(time_ns, time_ns, class_id) if inside > 0 else None
    if inside < -margin:
        return None
    return msgspec.structs.replace(before, seen_ns=time_ns)
