"""The output of PaddlePaddle's ``multiclass_nms3``: PicoDet, PP-YOLOE and others of PaddleDetection, exported with
their post-processing (https://github.com/PaddlePaddle/PaddleDetection, ``deploy/EXPORT_MODEL_en.md``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensor, Tensors
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, to_detections
from vedette_cnn.decoders.raw import Raw

CLASS, CONFIDENCE, BOX = 0, 1, slice(2, 6)


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector. Suppression is part of the graph.

    Attributes
    ----------
    boxes, counts
        Names of the two outputs; they are often numbers.
    """

    boxes: str
    counts: str
    confidence_threshold: Fraction = 0.4


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``boxes (m, 6)``: class, confidence, left, top, right, bottom in pixels of the input tensor, the images
    one behind the other; and ``counts (n,)``, how many of them belong to each image. A class below 0 says "no box".

    The graph divides boxes by its input ``scale_factor``, which must therefore be the constant 1, 1.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("multiclass_nms", outputs)
    table = raw.floats(params.boxes, (None, 6))
    counts = _counts(raw, params.counts, len(affines), len(table))
    raw.refuse_nan("the class or confidence of a box", table[:, : BOX.start])
    row = np.repeat(np.arange(len(counts)), counts)
    sure = (table[:, CONFIDENCE] >= np.float32(params.confidence_threshold)) & (table[:, CLASS] >= 0)
    kept = table[sure].astype(np.float32, copy=False)
    found = Candidates(
        row=row[sure],
        xyxy=kept[:, BOX],
        confidence=kept[:, CONFIDENCE],
        class_id=raw.classes(kept[:, CLASS], 0, labels),
    )
    check(raw, found)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _counts(raw: Raw, name: str, n: int, boxes: int) -> Tensor:
    counts = raw.find(name)[1]
    if counts.shape != (n,) or counts.dtype.kind not in "iu":
        raise raw.error(f"output {name!r} must be ({n},) of whole numbers, not {counts.shape} {counts.dtype}")
    if counts.min(initial=0) < 0 or counts.sum() != boxes:
        raise raw.error(
            f"output {name!r} counts {int(counts.sum())} boxes, but there are {boxes}",
            "exchange boxes and counts, or export the model with its post-processing once more",
        )
    return counts


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A list of any length with six columns, and a list of whole numbers; the input ``scale_factor`` states it."""
    boxes = [name for name, info in facts.outputs.items() if info.shape[1:] == (6,)]
    counts = [
        name for name, info in facts.outputs.items() if len(info.shape) == 1 and info.dtype.startswith("int")
    ]
    if len(boxes) == len(counts) == 1 and len(facts.outputs) == 2 and "scale_factor" in facts.inputs:
        yield Proposal(
            task="detection",
            params={"boxes": boxes[0], "counts": counts[0]},
            image={"colour": "rgb", "resize": "stretch"},
            rows=(boxes[0],),
            why="boxes and their number, as of PaddleDetection; feed scale_factor with constant:[1,1]",
        )


SPEC = PostprocessSpec(
    name="multiclass_nms",
    summary="PicoDet, PP-YOLOE with their post-processing in the graph",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
