"""Sets of boxes, one per query, from a transformer: DETR (Carion et al. 2020, "End-to-End Object Detection with
Transformers", https://arxiv.org/abs/2005.12872), Deformable DETR (Zhu et al. 2021, https://arxiv.org/abs/2010.04159),
RT-DETR (Zhao et al. 2024, https://arxiv.org/abs/2304.08069), D-FINE (Peng et al. 2024,
https://arxiv.org/abs/2410.13842)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.activations import sigmoid, softmax
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, to_detections
from vedette_cnn.decoders.raw import Raw


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector. Queries do not compete, so that there is no suppression.

    Attributes
    ----------
    activation
        ``softmax``: the last class is "no object", and a query is a box of its best other class (DETR).
        ``sigmoid``: each class by itself, and a query may be several boxes (Deformable DETR, RT-DETR, D-FINE:
        the best pairs of query and class; ``max_detections`` of them). It cannot be told from the numbers, so it has
        no default.
    logits, boxes
        Names of the two outputs.
    """

    activation: Literal["softmax", "sigmoid"]
    confidence_threshold: Fraction = 0.5
    logits: str = "pred_logits"
    boxes: str = "pred_boxes"


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``logits (n, queries, classes)``, with softmax ``(n, queries, classes + 1)``, and ``boxes (n, queries,
    4)``: x, y of the centre, width and height relative to the input (0..1).

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("detr", outputs)
    logits = raw.floats(params.logits, (len(affines), None, None))
    boxes = raw.floats(params.boxes, (*logits.shape[:2], 4))
    raw.check_classes(logits.shape[2] - (params.activation == "softmax"), labels)
    probability = _probabilities(logits.astype(np.float32, copy=False), params.activation)
    raw.refuse_nan(f"output {params.logits!r}", probability)
    row, query, class_id = np.nonzero(probability >= np.float32(params.confidence_threshold))
    relative = boxes[row, query].astype(np.float32, copy=False) * np.array(params.input_wh * 2, np.float32)
    centre, half = relative[:, :2], relative[:, 2:] / 2
    with np.errstate(invalid="ignore"):  # what is not finite is refused with the detections
        xyxy = np.concatenate([centre - half, centre + half], axis=1)
    found = Candidates(
        row=row,
        xyxy=xyxy,
        confidence=probability[row, query, class_id],
        class_id=class_id,
    )
    check(raw, found)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _probabilities(logits: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    """``(n, queries, classes)``; with softmax all but the best class of each query are -1, below every threshold."""
    if activation == "sigmoid":
        return sigmoid(logits)
    probability = softmax(logits)[..., :-1]
    best = probability.argmax(axis=2)[..., None]
    only: NDArray[np.float32] = np.where(np.arange(probability.shape[2]) == best, probability, np.float32(-1))
    return np.where(np.isnan(probability), probability, only)


QUERIES = 1000
"""No published network has as many."""


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """Two outputs with as many queries: one called logits or classes, and one of boxes. The activation is open: the
    first proposal is that of the number of queries in the papers, 100 of DETR and 300 of the others."""
    found = _pair(facts)
    if found is None:
        return
    logits, boxes, queries = found
    both: tuple[Literal["softmax", "sigmoid"], ...] = ("softmax", "sigmoid")
    for activation in both if queries <= 100 else both[::-1]:
        kind = (
            "the last class is 'no object', as of DETR"
            if activation == "softmax"
            else "as of RT-DETR, D-FINE"
        )
        yield Proposal(
            task="detection",
            params={"activation": activation, "logits": logits, "boxes": boxes},
            rows=(logits, boxes),
            why=f"{queries} queries with logits and boxes: {activation}, {kind}",
        )


def _pair(facts: ModelFacts) -> tuple[str, str, int] | None:
    shapes = {name: info.shape for name, info in facts.outputs.items() if len(info.shape) == 3}
    boxes = [name for name, shape in shapes.items() if shape[2] == 4 and "box" in name.lower()]
    logits = [name for name in shapes if any(word in name.lower() for word in ("logit", "class"))]
    if len(boxes) != 1 or len(logits) != 1 or len(facts.outputs) != 2:
        return None
    queries = shapes[boxes[0]][1]
    if queries is None or queries != shapes[logits[0]][1] or queries > QUERIES:
        return None
    return logits[0], boxes[0], queries


SPEC = PostprocessSpec(
    name="detr",
    summary="DETR, RT-DETR: a set of boxes, one per query",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
