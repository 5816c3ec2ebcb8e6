"""The raw head of YOLOX (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021", https://arxiv.org/abs/2107.08430;
https://github.com/Megvii-BaseDetection/YOLOX, exported without ``--decode_in_inference``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders import model_api
from vedette_cnn.decoders.activations import sigmoid
from vedette_cnn.decoders.anchors import Strides, boxes, cells, check_strides
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.model_api import stated_first
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import axes_text, find_picture, normalised, only_output

STRIDES = (8, 16, 32)
BOX, OBJECTNESS, CLASSES = slice(0, 4), 4, slice(5, None)


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    output
        Name of the output; ``None``: the only one.
    strides
        Pixels per cell of the feature maps, in the order of the output.
    activation
        What makes objectness and class scores probabilities: ``none`` where the graph does (YOLOX's own export), or
        ``sigmoid``.
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    class_agnostic
        Suppress across classes, not only within each.
    """

    confidence_threshold: Fraction = 0.3
    output: str | None = None
    strides: Strides = STRIDES
    activation: Literal["none", "sigmoid"] = "none"
    iou_threshold: Fraction = 0.45
    class_agnostic: bool = False

    def __post_init__(self) -> None:
        check_strides(self.input_wh, self.strides)


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode one output ``(n, anchors, 5 + classes)``: x, y of the box centre from the cell's corner in cells; log of
    width and height in cells; objectness; class probabilities, or the logits of both (``activation``).

    ``confidence = objectness * best class``. Class probabilities are at most 1, so that objectness alone decides about
    most anchors; only the rest is decoded.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("yolox", outputs)
    grid = cells(params.input_wh, params.strides)
    head = raw.floats(
        params.output,
        (len(affines), len(grid.stride), None),
        f"{len(grid.stride)} anchors belong to input_wh {params.input_wh} with strides {params.strides}: "
        "correct these parameters of the decoder",
    )
    raw.check_classes(head.shape[2] - CLASSES.start, labels)
    raw.refuse_nan("the objectness", head[..., OBJECTNESS])
    activate = sigmoid if params.activation == "sigmoid" else _as_it_is
    objectness = activate(head[..., OBJECTNESS].astype(np.float32, copy=False))
    row, anchor = np.nonzero(objectness >= np.float32(params.confidence_threshold))
    kept = head[row, anchor].astype(np.float32, copy=False)
    class_id = kept[:, CLASSES].argmax(axis=1)
    confidence = objectness[row, anchor] * activate(kept[:, CLASSES]).max(axis=1, initial=0.0)
    raw.refuse_nan("a class probability", confidence)
    sure = confidence >= np.float32(params.confidence_threshold)
    found = Candidates(
        row=row[sure],
        xyxy=boxes(kept[sure, BOX], grid.xy[anchor[sure]], grid.stride[anchor[sure]]),
        confidence=confidence[sure],
        class_id=class_id[sure],
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _as_it_is(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return scores


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model with one output that has a row for each cell of the usual strides. The picture is what YOLOX has since
    its release 0.2: BGR, 0..255, at the top left of a field of 114."""
    picture, output = find_picture(facts), only_output(facts, axes=3)
    if picture is None or output is None or None in (picture.width, picture.height):
        return
    rows, width = output.shape[1:]
    for strides in (STRIDES, (*STRIDES, 64)):
        sides = picture.width or 0, picture.height or 0
        whole = not any(side % stride for side in sides for stride in strides)
        if (
            not whole
            or rows != len(cells(sides, strides).stride)
            or width is None
            or width < CLASSES.start + 1
        ):
            continue
        classes = width - CLASSES.start
        yield Proposal(
            task="detection",
            params={"strides": strides} if strides != STRIDES else {},
            image={
                "colour": "bgr",
                "resize": "letterbox",
                "anchor": "top_left",
                "pad": [114],
                "kernel": "bilinear",
                **normalised(picture, 0, 1),
            },
            labels=facts.labels if len(facts.labels) == classes else (),
            why=f"output {axes_text(output)} has a row for each cell of strides {', '.join(map(str, strides))}:"
            f" box, objectness, {classes} classes; the picture as YOLOX takes it since 0.2",
        )


SPEC = PostprocessSpec(
    name="yolox",
    summary="YOLOX detector: raw head, anchor-free, three strides",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=stated_first(model_api.yolox, recognise),
)
