"""The output of a DetectionOutput layer, as SSD has it (Liu et al. 2016, "SSD: Single Shot MultiBox Detector",
https://arxiv.org/abs/1512.02325; the layer: https://docs.openvino.ai, operation set ``DetectionOutput-8``)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, to_detections
from vedette_cnn.decoders.raw import Floats, Raw

IMAGE, CLASS, CONFIDENCE, BOX = 0, 1, 2, slice(3, 7)


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector. Suppression is part of the graph.

    Attributes
    ----------
    output
        Name of the output; ``None``: the only one.
    first_class
        The network's number of the first class: 1 where class 0 is the background. ``class_id`` counts from it.
    """

    confidence_threshold: Fraction = 0.5
    output: str | None = None
    first_class: Annotated[int, msgspec.Meta(ge=0)] = 0


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode one output ``(1, 1, boxes, 7)``: image number within the batch, class, confidence, and left, top, right,
    bottom relative to the input (0..1). The list ends at the first image number below 0. Images beyond the ``n`` that
    were asked for fill up a fixed batch and are left out.

    An output ``(n, 1, boxes, 7)`` is taken as n runs of one image each.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ssd", outputs)
    table = raw.floats(params.output, (None, 1, None, 7))[:, 0]
    row, kept = _entries(raw, table, len(affines))
    raw.refuse_nan("the confidence of a box", kept[:, CONFIDENCE])
    sure = kept[:, CONFIDENCE] >= np.float32(params.confidence_threshold)
    row, kept = row[sure], kept[sure].astype(np.float32, copy=False)
    found = Candidates(
        row=row,
        xyxy=kept[:, BOX] * np.array(params.input_wh * 2, np.float32),
        confidence=kept[:, CONFIDENCE],
        class_id=_classes(raw, kept[:, CLASS], params.first_class, labels),
    )
    check(raw, found)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _entries(raw: Raw, table: Floats, n: int) -> tuple[NDArray[np.intp], Floats]:
    """Batch row and content ``(m, 7)`` of the entries before the end of each run's list."""
    if len(table) not in (1, n):
        raise raw.error(f"{len(table)} runs for {n} images", "run all images at once, or one at a time")
    image = table[..., IMAGE]
    listed = np.logical_and.accumulate(~(image < 0), axis=1)
    raw.refuse_nan("the image number of a box", image[listed])
    run, entry = np.nonzero(listed & (image < (n if len(table) == 1 else 1)))
    kept = table[run, entry]
    return run + kept[:, IMAGE].astype(np.intp), kept


def _classes(raw: Raw, number: NDArray[np.float32], first: int, labels: tuple[str, ...]) -> NDArray[np.intp]:
    raw.refuse_nan("the class of a box", number)
    class_id = number.astype(np.intp) - first
    if len(class_id) and class_id.min() < 0:
        raise raw.error(f"a box is of class {class_id.min() + first}", f"lower first_class, which is {first}")
    if len(class_id) and labels and class_id.max() >= len(labels):
        raise raw.error(
            f"a box is of class {class_id.max() + first}, but there are {len(labels)} labels",
            "give one label per class, or set first_class = 1 if the network's class 0 is the background",
        )
    return class_id


SPEC = PostprocessSpec(
    name="ssd",
    summary="SSD detector: boxes from a DetectionOutput layer",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
)
