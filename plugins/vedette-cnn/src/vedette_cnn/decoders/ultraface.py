"""Ultra-Light-Fast-Generic-Face-Detector-1MB (Linzaer 2019,
https://github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB): boxes decoded by the graph, no suppression."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import axes_text, find_picture, normalised

FACE = 1


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    scores, boxes
        Names of the two outputs.
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    """

    confidence_threshold: Fraction = 0.7
    scores: str = "scores"
    boxes: str = "boxes"
    iou_threshold: Fraction = 0.3


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``scores (n, anchors, 2)``, the probabilities of background and face, and ``boxes (n, anchors, 4)``, left,
    top, right, bottom relative to the input (0..1). There is one class, 0.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ultraface", outputs)
    raw.check_classes(1, labels)
    scores = raw.floats(params.scores, (len(affines), None, 2))
    boxes = raw.floats(params.boxes, (*scores.shape[:2], 4))
    raw.refuse_nan(f"output {params.scores!r}", scores[..., FACE])
    row, anchor = np.nonzero(scores[..., FACE] >= np.float32(params.confidence_threshold))
    found = Candidates(
        row=row,
        xyxy=boxes[row, anchor].astype(np.float32, copy=False) * np.array(params.input_wh * 2, np.float32),
        confidence=scores[row, anchor, FACE].astype(np.float32, copy=False),
        class_id=np.zeros(len(row), np.intp),
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model with the two outputs under their published names. The picture is what the authors' code makes."""
    picture, scores, boxes = find_picture(facts), facts.outputs.get("scores"), facts.outputs.get("boxes")
    if picture is None or scores is None or boxes is None or len(facts.outputs) != 2:
        return
    if scores.shape[2:] == (2,) and boxes.shape[2:] == (4,) and scores.shape[1] == boxes.shape[1]:
        yield Proposal(
            task="detection",
            image={
                "colour": "rgb",
                "resize": "stretch",
                "kernel": "bilinear",
                **normalised(picture, 127, 128),
            },
            why=f"outputs {axes_text(scores)} and {axes_text(boxes)}; the picture as Ultra-Light-Fast-Generic-Face-"
            "Detector's own code makes it",
        )


SPEC = PostprocessSpec(
    name="ultraface",
    summary="Ultra-light face detector: scores and boxes",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
