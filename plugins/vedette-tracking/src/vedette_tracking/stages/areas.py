"""Parameters of the stage ``zones``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from vedette_tracking.geometry import Floats

Anchor = Literal[
    "top_left",
    "top_center",
    "top_right",
    "center_left",
    "center",
    "center_right",
    "bottom_left",
    "bottom_center",
    "bottom_right",
]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Point = tuple[float, float]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=31_536_000)]
OTHERS = "*"
"""Among thresholds per class: that of all classes which are not named."""


class Area(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What zones and lines have in common.

    Attributes
    ----------
    name
        Unique among the zones and lines of the stage. What is counted belongs to the name and the shape.
    classes
        Labels to look at; default: all.
    minimum_confidence
        Boxes below are left out: a number, or one per label, ``{person = 0.5, "*" = 0.3}``.
    margin
        How far beyond the edge a change of sides counts, in heights of the box.
    """

    name: Name
    classes: tuple[str, ...] = ()
    minimum_confidence: Share | dict[str, Share] = 0.0
    margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.05


class Zone(Area, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[stage.params.zone]]``: a part of the picture.

    Attributes
    ----------
    polygon
        Its corners, x and y in pixels, in order.
    dwell_s
        Who is there for so long raises ``zone.dwell``, once per visit: a number, or one per label; default: nobody.
    """

    polygon: tuple[Point, ...]
    dwell_s: Seconds | dict[str, Seconds] = {}

    def __post_init__(self) -> None:
        corners = np.array(self.polygon).reshape(-1, 2)
        following = np.roll(corners, -1, axis=0)
        area = (corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() / 2
        if len(corners) < 3 or not abs(area) > 0:
            raise ValueError(f"zone {self.name!r}: polygon needs three corners or more, around some area")

    def shape(self, scale: Floats) -> Floats:
        """The corners ``(k, 2)`` on a picture that is ``scale`` times as large."""
        return np.array(self.polygon) * scale


class Line(Area, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[stage.params.line]]``: a line to cross.

    Attributes
    ----------
    start, end
        Its ends, x and y in pixels. Stand at ``start`` and look to ``end``: ``in`` is from the left to the right.
    """

    start: Point
    end: Point

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError(f"line {self.name!r}: start and end are the same point")

    def shape(self, scale: Floats) -> Floats:
        """Both ends ``(2, 2)`` on a picture that is ``scale`` times as large."""
        return np.array([self.start, self.end]) * scale


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``zones``. All can be changed while it runs: only a zone or line whose shape (corners,
    ``anchor``, ``drawn_on``) changes begins to count anew.

    Attributes
    ----------
    zone, line
        See :class:`Zone` and :class:`Line`.
    anchor
        The point of a box that says where it is; the default is where people and cars touch the ground.
    drawn_on
        Width and height of the picture on which zones and lines were drawn; they are scaled to other sizes. Default:
        pixels of the picture as it comes.
    lost_s
        Whoever was not seen for longer has left; more than the ``lost_s`` of the tracker.
    """

    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()
    anchor: Anchor = "bottom_center"
    drawn_on: tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]] | None = None
    lost_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 2.0

    def __post_init__(self) -> None:
        names = [area.name for area in (*self.zone, *self.line)]
        if not names:
            raise ValueError("zones needs at least one zone or line")
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"{min(twice)!r} is the name of more than one zone or line")


def for_class(threshold: float | dict[str, float], label: str) -> float | None:
    """The threshold of a class, ``None`` if it has none.

    >>> for_class({"person": 30.0, "*": 5.0}, "car")
    5.0
    """
    if not isinstance(threshold, dict):
        return threshold
    return threshold.get(label, threshold.get(OTHERS))
