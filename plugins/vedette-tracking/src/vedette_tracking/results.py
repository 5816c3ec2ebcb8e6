"""What is told of each frame: counts of zones and lines, and motion over the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.results import Column, Result
from vedette.specs import ResultSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class ZoneCounts(Result):
    """One row per zone or line and class that was seen there.

    ``zone (n,) int32``: its number in the configuration, zones first, then lines; ``class_id (n,) int32``, named by
    ``labels``; ``present (n,) int64``: how many are in the zone now; ``in_count``, ``out_count (n,) int64``: how many
    came in and went out since counting began, of a line over it in either direction.
    """

    type: ClassVar[str] = "zone_counts"
    columns: ClassVar[Mapping[str, Column]] = {
        "zone": Column(np.int32),
        "class_id": Column(np.int32),
        "present": Column(np.int64),
        "in_count": Column(np.int64),
        "out_count": Column(np.int64),
    }

    zone: NDArray[np.int32]
    class_id: NDArray[np.int32]
    present: NDArray[np.int64]
    in_count: NDArray[np.int64]
    out_count: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class GroundMotion(Result):
    """``xy (n, 2) float32``: where on the ground, in metres; ``velocity (n, 2) float32`` in metres per second, 0 for
    what was seen once. Rows belong to rows of the tracks (``source_row``)."""

    type: ClassVar[str] = "ground_motion"
    columns: ClassVar[Mapping[str, Column]] = {
        "xy": Column(np.float32, ("n", 2)),
        "velocity": Column(np.float32, ("n", 2)),
    }

    xy: NDArray[np.float32]
    velocity: NDArray[np.float32]


RESULTS: tuple[ResultSpec, ...] = (
    ResultSpec(name=ZoneCounts.type, summary="Counts of zones and lines.", result=ZoneCounts),
    ResultSpec(name=GroundMotion.type, summary="Place and velocity on the ground.", result=GroundMotion),
)
