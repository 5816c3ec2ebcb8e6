"""The stages ``face-align`` and ``face-align-landmarks``: where an embedding network is to look at each face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.results import Detections, Keypoints
from vedette.specs import NoParams, StageInputs, StageSpec
from vedette_face.alignment import TEMPLATE, align, alignable
from vedette_face.results import AlignedFaces

BOXES = "boxes"
POINTS = "points"


class Align:
    """Turns each face upright by its five points: those of the detections, or those of a network that looked at them.

    Faces whose points lie in one place, or as in a mirror, cannot be aligned and are left out; ``source_row`` says
    which rows are there.
    """

    def __init__(self, params: NoParams) -> None:
        pass

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> AlignedFaces:
        boxes = inputs.results[BOXES]
        assert isinstance(boxes, Detections)
        source = inputs.stages.get(BOXES, BOXES)
        points, rows = _points_of(inputs, boxes, source)
        fit = alignable(points)
        points, rows = points[fit], rows[fit]
        return AlignedFaces(
            xyxy=boxes.xyxy[rows],
            confidence=boxes.confidence[rows],
            class_id=boxes.class_id[rows],
            track_id=None if boxes.track_id is None else boxes.track_id[rows],
            points=points,
            affine=align(points),
            source=source,
            source_row=rows.astype(np.int32),
            labels=boxes.labels,
        )


def _points_of(
    inputs: StageInputs, boxes: Detections, source: str
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """``(m, 5, 2)`` and the row of ``boxes`` that each belongs to."""
    found = inputs.results.get(POINTS)
    if found is None:
        if boxes.points is None and len(boxes):
            raise PluginError(
                f"stage 'face-align': the boxes of {source!r} have no points",
                fix="use a detector that gives landmarks (YuNet), or a landmark model and 'face-align-landmarks'",
            )
        points, rows = boxes.points, np.arange(len(boxes))
    else:
        assert isinstance(found, Keypoints)
        if found.source != source or (len(found) and found.source_row.max() >= len(boxes)):
            raise PluginError(
                f"stage 'face-align-landmarks': the landmarks look at rows of {found.source!r}, not of {source!r}",
                fix=f'have the landmark model work on = "{source}"',
            )
        points, rows = found.points, found.source_row.astype(np.intp)
    if points is None or not len(rows):
        return np.zeros((0, *TEMPLATE.shape), np.float32), np.zeros(0, np.intp)
    if points.shape[1:] != TEMPLATE.shape:
        raise PluginError(
            f"a face is aligned by {len(TEMPLATE)} points, not {points.shape[1]}",
            fix="use a model that gives eyes, nose and corners of the mouth, in this order",
        )
    return points, rows


FACE_ALIGN = StageSpec(
    name="face-align",
    summary="Turns faces upright by the five points that their detector gives.",
    takes={BOXES: Detections},
    gives=AlignedFaces,
    build=Align,
)
FACE_ALIGN_LANDMARKS = StageSpec(
    name="face-align-landmarks",
    summary="As face-align, by the points of a landmark model that looked at the boxes.",
    takes={BOXES: Detections, POINTS: Keypoints},
    gives=AlignedFaces,
    build=Align,
)
