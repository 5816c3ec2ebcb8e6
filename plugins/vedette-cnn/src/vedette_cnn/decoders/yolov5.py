"""The head of YOLOv5 as its own repository exports it (Jocher 2020, https://github.com/ultralytics/yolov5), and of
those that share it, such as YOLOv7 (Wang et al. 2022, https://arxiv.org/abs/2207.02696). YOLOv5u is another one: see
:mod:`vedette_cnn.decoders.ultralytics_detect`."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.ultralytics_export import recognise_yolov5
from vedette_cnn.decoders.ultralytics_head import corners, find_axes

BOX, OBJECTNESS, CLASSES = slice(0, 4), 4, slice(5, None)


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    output
        Name of the output; ``None``: the only one of three axes.
    unit
        What boxes count: ``pixels`` of the input, or ``fraction`` of its sides (TFLite exports).
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    class_agnostic
        Suppress across classes, not only within each.
    """

    confidence_threshold: Fraction = 0.25
    output: str | None = None
    unit: Literal["pixels", "fraction"] = "pixels"
    iou_threshold: Fraction = 0.45
    class_agnostic: bool = False


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode one output ``(n, anchors, 5 + classes)``: x, y of the box centre, width, height; objectness; class
    probabilities (sigmoids already applied).

    ``confidence = objectness * best class``. Class probabilities are at most 1, so that objectness alone decides about
    most anchors; only the rest is decoded.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("yolov5", outputs)
    head = raw.floats(find_axes(raw, params.output, 3), (len(affines), None, None))
    raw.check_classes(head.shape[2] - CLASSES.start, labels)
    raw.refuse_nan("the objectness", head[..., OBJECTNESS])
    row, anchor = np.nonzero(head[..., OBJECTNESS] >= np.float32(params.confidence_threshold))
    kept = head[row, anchor].astype(np.float32, copy=False)
    class_id = kept[:, CLASSES].argmax(axis=1)
    confidence = kept[:, OBJECTNESS] * kept[:, CLASSES].max(axis=1, initial=0.0)
    raw.refuse_nan("a class probability", confidence)
    sure = confidence >= np.float32(params.confidence_threshold)
    unit = np.array(params.input_wh * 2 if params.unit == "fraction" else (1,) * 4, np.float32)
    found = Candidates(
        row=row[sure],
        xyxy=corners(kept[sure, BOX] * unit),
        confidence=confidence[sure],
        class_id=class_id[sure],
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


SPEC = PostprocessSpec(
    name="yolov5",
    summary="YOLOv5 (its own repository's export) and YOLOv7: boxes with objectness",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise_yolov5,
)
