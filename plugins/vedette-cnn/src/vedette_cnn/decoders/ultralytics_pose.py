"""Ultralytics pose: boxes with points. The layouts are told by :mod:`vedette_cnn.decoders.ultralytics_head`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders.boxes import Candidates, check, to_detections
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.ultralytics_export import recognise
from vedette_cnn.decoders.ultralytics_head import HeadParams, read_entries, suppressed, upright


class Params(HeadParams, frozen=True, kw_only=True):
    """Parameters, besides those of every such head.

    Attributes
    ----------
    points
        Points per box: 17 for the persons of COCO.
    point_values
        Numbers per point: 2 for x, y; 3 where the probability that it is visible follows.
    """

    points: Annotated[int, msgspec.Meta(ge=1)] = 17
    point_values: Literal[2, 3] = 3


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``(n, 4 + classes + points * point_values, anchors)`` or records ``(n, k, 6 + points * point_values)``.

    ``points`` are not clipped to the frame; ``point_confidence`` is there if ``point_values`` is 3.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ultralytics_pose", outputs)
    entries = read_entries(raw, params, len(affines), params.points * params.point_values, labels)
    point = entries.extra.reshape(-1, params.points, params.point_values)
    found = Candidates(
        row=entries.row,
        xyxy=upright(entries, params),
        confidence=entries.confidence,
        class_id=entries.class_id,
        points=point[..., :2] * params.unit_wh,
        point_confidence=point[..., 2].copy() if params.point_values == 3 else None,
    )
    check(raw, found)
    return to_detections(suppressed(found, params), affines, size_wh, params.max_detections, labels)


SPEC = PostprocessSpec(
    name="ultralytics_pose",
    summary="Ultralytics YOLO pose: boxes with points",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=partial(recognise, "pose"),
)
