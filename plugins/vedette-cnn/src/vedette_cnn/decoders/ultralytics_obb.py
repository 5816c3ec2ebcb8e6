"""Ultralytics OBB: turned boxes. The layouts are told by :mod:`vedette_cnn.decoders.ultralytics_head`."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders.boxes import Candidates, check, to_detections
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.turned import fast_nms, turned_corners
from vedette_cnn.decoders.ultralytics_export import recognise
from vedette_cnn.decoders.ultralytics_head import HeadParams, read_entries


class Params(HeadParams, frozen=True, kw_only=True):
    """Parameters: those of every such head. ``iou_threshold`` is of the turned boxes, as their ProbIoU."""


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``(n, 4 + classes + 1, anchors)`` or records ``(n, k, 7)``, whose last column is the angle in radians,
    from the x axis of the picture towards its y axis (clockwise as seen).

    ``points`` are the corners of the turned box: those that lie left top, right top, right bottom and left bottom at
    angle 0; they are not clipped. Its angle in the frame is the direction from the first to the second. ``xyxy`` is the
    upright box around it, clipped to the frame.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ultralytics_obb", outputs)
    entries = read_entries(raw, params, len(affines), 1, labels)
    points = turned_corners(entries.box, entries.extra[:, 0])
    found = Candidates(
        row=entries.row,
        xyxy=np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
        confidence=entries.confidence,
        class_id=entries.class_id,
        points=points,
    )
    check(raw, found)
    if params.layout == "raw":
        group = found.row
        if not params.class_agnostic:
            group = group * (found.class_id.max(initial=0) + 1) + found.class_id
        turned = np.concatenate([entries.box, entries.extra], axis=1)
        found = found.take(fast_nms(turned, found.confidence, params.iou_threshold, group))
    return to_detections(found, affines, size_wh, params.max_detections, labels)


SPEC = PostprocessSpec(
    name="ultralytics_obb",
    summary="Ultralytics YOLO OBB: turned boxes, as their corners",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=partial(recognise, "obb"),
)
