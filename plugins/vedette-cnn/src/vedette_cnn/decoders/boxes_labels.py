"""Lists of boxes that the graph has decoded and suppressed: one output of boxes, one of class numbers, and the scores
in a third or in the fifth column of the boxes. Detectors of OpenVINO Training Extensions, MMDetection and torchvision,
and RT-DETR and D-FINE with their post-processing are exported so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensor, Tensors
from vedette_cnn.decoders import model_api
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.model_api import stated_first
from vedette_cnn.decoders.raw import Floats, Raw


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    boxes, labels
        Names of the outputs with boxes and with class numbers; ``labels = null``: the network has one class.
    scores
        Name of the output with confidences; ``None``: they are the fifth column of ``boxes``.
    relative
        Boxes are relative to the input (0..1), not in its pixels.
    first_class
        The network's number of the first class: 1 where class 0 is the background. ``class_id`` counts from it.
    iou_threshold
        Of two boxes of a class that overlap more, the less confident one is left out; ``None``: the graph did that, or
        there is no need to.
    class_agnostic
        Suppress across classes, not only within each.
    """

    confidence_threshold: Fraction = 0.5
    boxes: str = "boxes"
    labels: str | None = "labels"
    scores: str | None = None
    relative: bool = False
    first_class: Annotated[int, msgspec.Meta(ge=0)] = 0
    iou_threshold: Fraction | None = None
    class_agnostic: bool = False


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``boxes (n, m, 4)``, left, top, right, bottom in pixels of the input tensor, with ``scores (n, m)``, or
    ``boxes (n, m, 5)`` with the score last; and ``labels (n, m)``, whole numbers of any type. For one image the axis of
    the batch may be missing.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("boxes_labels", outputs)
    n = len(affines)
    table = _batched(raw, params.boxes, 3, n)
    if table.shape[2] != (5 if params.scores is None else 4):
        raise raw.error(
            f"output {params.boxes!r} has {table.shape[2]} columns",
            "name the output of the confidences as scores if it has 4; leave scores out if it has 5",
        )
    scores = table[..., 4] if params.scores is None else _batched(raw, params.scores, 2, n)
    number = _numbers(raw, params.labels, table.shape[:2])
    if scores.shape != table.shape[:2]:
        raise raw.error(f"output {params.scores!r} has {scores.shape} scores for {table.shape[:2]} boxes")
    raw.refuse_nan("the confidence of a box", scores)
    row, place = np.nonzero(scores >= np.float32(params.confidence_threshold))
    xyxy = table[row, place, :4].astype(np.float32, copy=False)
    found = Candidates(
        row=row,
        xyxy=xyxy * np.array(params.input_wh * 2, np.float32) if params.relative else xyxy,
        confidence=scores[row, place].astype(np.float32, copy=False),
        class_id=raw.classes(number[row, place], params.first_class, labels),
    )
    check(raw, found)
    if params.iou_threshold is not None:
        found = suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _batched(raw: Raw, name: str, rank: int, n: int) -> Floats:
    """The output with its batch axis."""
    tensor = raw.find(name)[1]
    if tensor.ndim == rank - 1 and n == 1:
        return raw.floats(name, (None,) * (rank - 1))[None]
    return raw.floats(name, (n, *(None,) * (rank - 1)))


def _numbers(raw: Raw, name: str | None, shape: tuple[int, ...]) -> Tensor:
    if name is None:
        return np.zeros(shape, np.float32)
    tensor = raw.find(name)[1]
    if (
        tensor.size != shape[0] * shape[1]
        or tensor.dtype.kind not in "iuf"
        or tensor.shape[-1:] != shape[-1:]
    ):
        raise raw.error(
            f"output {name!r} must be {shape} of class numbers, not {tensor.shape} {tensor.dtype}"
        )
    return tensor.reshape(shape)


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """Outputs called boxes, labels and scores, as RT-DETR, D-FINE and torchvision are exported."""
    names = {name.lower(): name for name in facts.outputs}
    if names.keys() != {"boxes", "labels", "scores"}:
        return
    boxes, labels, scores = (names[name] for name in ("boxes", "labels", "scores"))
    sizes = [name for name, info in facts.inputs.items() if len(info.shape) == 2 and info.shape[1] == 2]
    feed = f"; feed {sizes[0]} with constant:[WIDTH,HEIGHT] of the input" if sizes else ""
    yield Proposal(
        task="detection",
        params={"boxes": boxes, "labels": labels, "scores": scores},
        rows=(boxes,),
        why=f"outputs boxes, labels and scores, decoded by the graph{feed}",
    )


SPEC = PostprocessSpec(
    name="boxes_labels",
    summary="Boxes, labels and scores, decoded by the graph",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=stated_first(model_api.boxes_labels, recognise),
)
