"""Ultralytics detection: upright boxes. The layouts are told by :mod:`vedette_cnn.decoders.ultralytics_head`."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders import model_api
from vedette_cnn.decoders.boxes import Candidates, check, to_detections
from vedette_cnn.decoders.model_api import stated_first
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.ultralytics_export import recognise
from vedette_cnn.decoders.ultralytics_head import HeadParams, read_entries, suppressed, upright


class Params(HeadParams, frozen=True, kw_only=True):
    """Parameters: those of every such head."""


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``(n, 4 + classes, anchors)`` or records ``(n, k, 6)``.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ultralytics_detect", outputs)
    entries = read_entries(raw, params, len(affines), 0, labels)
    found = Candidates(
        row=entries.row,
        xyxy=upright(entries, params),
        confidence=entries.confidence,
        class_id=entries.class_id,
    )
    check(raw, found)
    return to_detections(suppressed(found, params), affines, size_wh, params.max_detections, labels)


SPEC = PostprocessSpec(
    name="ultralytics_detect",
    summary="Ultralytics YOLO detector: v5u, v8, v9, v10, 11, 12, 26, suppressed in the graph or not",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=stated_first(model_api.yolo, partial(recognise, "detect")),
)
