"""The stage ``relative-point``: of each finding one point in parts of the picture, as networks over tracks take it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.results import Detections, Keypoints, Result
from vedette.specs import StageInputs, StageSpec
from vedette_rnn.results import RelativePoints

FOUND = "found"


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``relative-point``.

    Attributes
    ----------
    point
        The number of the point to take, of those that each finding has: of MediaPipe's 21 of a hand, 8 is the tip of
        the forefinger. ``None``: the centre of the box.
    """

    point: Annotated[int, msgspec.Meta(ge=0)] | None = None


class RelativePoint:
    """Takes ``found``, a :class:`~vedette.results.Detections` or :class:`~vedette.results.Keypoints`, and gives a
    :class:`~vedette_rnn.results.RelativePoints` with a row for each of its rows."""

    def __init__(self, params: Params) -> None:
        self._point = params.point

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> Result:
        found = inputs.results[FOUND]
        w, h = inputs.frame.size_wh
        xy = self._pixels(found) / np.array([w, h], np.float32)
        return RelativePoints(xy=xy.astype(np.float32), source=found.source, source_row=found.source_row)

    def _pixels(self, found: Result) -> NDArray[np.float32]:
        if self._point is None and isinstance(found, Detections):
            centre: NDArray[np.float32] = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / np.float32(2)
            return centre
        points = found.points if isinstance(found, Detections | Keypoints) else None
        if self._point is None or points is None:
            raise PluginError(
                f"stage 'relative-point': {found.type} without a box, or without points",
                fix="take boxes, or set the parameter point and take what has points",
            )
        if len(points) and self._point >= points.shape[1]:
            raise PluginError(
                f"stage 'relative-point': there is no point {self._point}: each has {points.shape[1]}, from 0 on",
                fix="correct point",
            )
        chosen: NDArray[np.float32] = points[:, self._point] if len(points) else np.zeros((0, 2), np.float32)
        return chosen


SPEC = StageSpec(
    name="relative-point",
    summary="Of each finding one point in parts of the picture, for networks over tracks.",
    build=RelativePoint,
    takes={FOUND: Result},
    gives=RelativePoints,
    params=Params,
)
