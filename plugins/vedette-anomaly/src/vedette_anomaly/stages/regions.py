"""``anomaly_regions``: the places of a map that are above the limit, as boxes."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import AnomalyMap, Detections, Result
from vedette.specs import StageInputs, StageSpec

LABELS = ("anomaly",)


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``threshold``: of the heat; 1 is the alarm of the bundle. ``least``: a region of fewer cells is none."""

    threshold: float = 1.0
    least: Annotated[int, msgspec.Meta(ge=1)] = 1


class Regions:
    """Cells above the threshold that share a side are one region."""

    def __init__(self, params: Params) -> None:
        self._params = params

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> Result:
        """``confidence`` is 1 - 1 / (1 + heat) of the highest cell: 0.5 at the alarm."""
        found = inputs.results["anomaly"]
        assert isinstance(found, AnomalyMap)
        boxes, confidences, rows = [], [], []
        for row, heat in enumerate(found.heat):
            for x0, y0, x1, y1, peak in regions_of(heat, self._params.threshold, self._params.least):
                left, top, right, bottom = found.xyxy[row].tolist()
                wide, high = (right - left) / heat.shape[1], (bottom - top) / heat.shape[0]
                boxes.append([left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high])
                confidences.append(1 - 1 / (1 + max(peak, 0.0)))
                rows.append(row)
        return Detections.of(
            boxes, confidences, [0] * len(boxes), labels=LABELS, source_row=np.array(rows, np.int32)
        )


def regions_of(
    heat: NDArray[np.float32], threshold: float, least: int = 1
) -> list[tuple[int, int, int, int, float]]:
    """Left, top, right, bottom in cells, and the largest heat, of each region of ``heat (h, w)``, the hottest first."""
    left_over = set(zip(*np.nonzero(heat > threshold), strict=True))
    found = []
    while left_over:
        region, edge = set(), [left_over.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            beside = {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} & left_over
            left_over -= beside
            edge += beside
        if len(region) >= least:
            rows, columns = np.array(sorted(region)).T
            peak = float(heat[rows, columns].max())
            found.append(
                (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1, peak)
            )
    return sorted(found, key=lambda region: -region[-1])


SPEC = StageSpec(
    name="anomaly_regions",
    summary="Places of an anomaly map above its limit, as boxes.",
    params=Params,
    build=Regions,
    takes={"anomaly": AnomalyMap},
    gives=Detections,
)
