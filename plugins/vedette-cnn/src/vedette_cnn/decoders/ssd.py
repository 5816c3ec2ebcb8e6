"""The output of a DetectionOutput layer, as SSD has it (Liu et al. 2016, "SSD: Single Shot MultiBox Detector",
https://arxiv.org/abs/1512.02325; the layer: https://docs.openvino.ai, operation set ``DetectionOutput-8``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders import model_api
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, to_detections
from vedette_cnn.decoders.model_api import stated_first
from vedette_cnn.decoders.raw import Floats, Raw
from vedette_cnn.decoders.sight import axes_text, find_picture, normalised, only_output

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
        class_id=raw.classes(kept[:, CLASS], params.first_class, labels),
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


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model whose one output is the list of a DetectionOutput layer. What it was trained on is not told by that; an
    OpenVINO file is taken for one of the Open Model Zoo: stretched, BGR, 0..255, class 0 the background."""
    picture, output = find_picture(facts), only_output(facts, axes=4)
    if picture is None or output is None or output.shape[1] != 1 or output.shape[3] != BOX.stop:
        return
    zoo = facts.format == "openvino"
    image = {"colour": "bgr", "resize": "stretch", "kernel": "bilinear", **normalised(picture, 0, 1)}
    yield Proposal(
        task="detection",
        params={"first_class": 1} if zoo else {},
        image=image if zoo else {},
        labels=facts.labels,
        why=f"output {axes_text(output)} is the list of a DetectionOutput layer"
        f"{'; the picture as in the Open Model Zoo' * zoo}",
    )


SPEC = PostprocessSpec(
    name="ssd",
    summary="SSD detector: boxes from a DetectionOutput layer",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=stated_first(model_api.ssd, recognise),
)
