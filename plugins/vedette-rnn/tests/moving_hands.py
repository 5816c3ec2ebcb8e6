"""A plugin for tests: two tracked hands, one that goes round clockwise and one the other way, on every frame."""

from __future__ import annotations

import numpy as np

from vedette.hookspecs import hookimpl
from vedette.results import Detections
from vedette.specs import StageInputs, StageSpec

TURN = 0.35
"""Radians per frame."""
CLOCKWISE, OTHER = 7, 9
"""Track ids."""


class Hands:
    """The order of the rows changes from frame to frame, as a tracker's may."""

    def start(self, stream: str) -> dict[str, int]:
        return {"frame": 0}

    def process(self, inputs: StageInputs, state: dict[str, int]) -> Detections:
        angle, state["frame"] = TURN * state["frame"], state["frame"] + 1
        w, h = inputs.frame.size_wh
        boxes, ids = [], []
        for track, way in ((CLOCKWISE, 1), (OTHER, -1)):  # y points down: clockwise as one sees it
            x, y = w * (0.5 + 0.08 * np.cos(way * angle)), h * (0.5 + 0.08 * np.sin(way * angle))
            boxes.append([x - 2, y - 2, x + 2, y + 2])
            ids.append(track)
        order = [0, 1] if state["frame"] % 2 else [1, 0]
        found = Detections.of(boxes, [0.9, 0.9], [0, 0], track_id=np.array(ids, np.int64))
        return found.select(np.array(order))


@hookimpl
def vedette_stages() -> list[StageSpec]:
    """What a hand detector and a tracker would give."""
    return [
        StageSpec(
            name="moving-hands",
            summary="Two hands.",
            build=lambda params: Hands(),
            gives=Detections,
            ordered=True,
        )
    ]
