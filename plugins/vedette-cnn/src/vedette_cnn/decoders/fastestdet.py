"""FastestDet (Ma Xuehao 2022, https://github.com/dog-qiuqiu/FastestDet): one feature map, one box per cell."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.activations import sigmoid
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import axes_text, find_picture, normalised, only_output

OBJECTNESS, BOX, CLASSES = 0, slice(1, 5), slice(5, None)
OBJECTNESS_POWER, CLASS_POWER = 0.6, 0.4
STRIDE = 16
"""Pixels per cell of the published networks."""
ROUNDING = 1e-6
"""Slack of the first gate, so that rounding loses no box that is exactly at the threshold."""


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    output
        Name of the output; ``None``: the only one.
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    class_agnostic
        Suppress across classes, not only within each.
    """

    confidence_threshold: Fraction = 0.55
    output: str | None = None
    iou_threshold: Fraction = 0.45
    class_agnostic: bool = False


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode one output ``(n, 5 + classes, rows, columns)``: objectness (sigmoid applied); the box centre from the
    cell's corner in cells, as the argument of tanh; width and height relative to the input, as the argument of a
    sigmoid; class probabilities (softmax applied).

    ``confidence = objectness ** 0.6 * best class ** 0.4``. Only cells whose objectness alone allows the threshold are
    decoded.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("fastestdet", outputs)
    head = raw.floats(params.output, (len(affines), None, None, None))
    grid_wh = head.shape[3], head.shape[2]
    _check_grid(raw, grid_wh, params.input_wh)
    raw.check_classes(head.shape[1] - CLASSES.start, labels)
    objectness = head[:, OBJECTNESS]
    raw.refuse_nan("the objectness", objectness)
    gate = params.confidence_threshold ** (1 / OBJECTNESS_POWER) * (1 - ROUNDING)
    row, y, x = np.nonzero(objectness >= np.float32(gate))
    kept = head[row, :, y, x].astype(np.float32, copy=False)
    best = np.maximum(kept[:, CLASSES].max(axis=1), 0)
    confidence = kept[:, OBJECTNESS] ** np.float32(OBJECTNESS_POWER) * best ** np.float32(CLASS_POWER)
    raw.refuse_nan("a class probability", confidence)
    sure = confidence >= np.float32(params.confidence_threshold)
    cell = np.stack([x, y], axis=1).astype(np.float32)
    found = Candidates(
        row=row[sure],
        xyxy=_boxes(kept[sure, BOX], cell[sure], grid_wh, params.input_wh),
        confidence=confidence[sure],
        class_id=kept[sure, CLASSES].argmax(axis=1),
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _check_grid(raw: Raw, grid_wh: tuple[int, int], input_wh: tuple[int, int]) -> None:
    w, h = grid_wh
    if w == 0 or h == 0 or input_wh[0] % w or input_wh[0] // w * h != input_wh[1]:
        raise raw.error(
            f"a grid of {w} x {h} cells does not belong to an input of {input_wh[0]} x {input_wh[1]} pixels",
            "set input_wh to the width and height of the model's input",
        )


def _boxes(
    box: NDArray[np.float32], cell: NDArray[np.float32], grid_wh: tuple[int, int], input_wh: tuple[int, int]
) -> NDArray[np.float32]:
    size = np.array(input_wh, np.float32)
    centre = (cell + np.tanh(box[:, :2])) / np.array(grid_wh, np.float32) * size
    half = sigmoid(box[:, 2:]) * size / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model with one output, a map of cells of 16 pixels. The picture is what the authors' code makes: stretched,
    BGR, 0..1."""
    picture, output = find_picture(facts), only_output(facts, axes=4)
    if picture is None or output is None or picture.dtype != "float32":
        return
    _, channels, height, width = output.shape
    if channels is None or height is None or width is None or channels < CLASSES.start + 1:
        return
    if (picture.width, picture.height) == (width * STRIDE, height * STRIDE):
        classes = channels - CLASSES.start
        yield Proposal(
            task="detection",
            image={
                "colour": "bgr",
                "resize": "stretch",
                "kernel": "bilinear",
                **normalised(picture, 0, 255),
            },
            labels=facts.labels if len(facts.labels) == classes else (),
            why=f"output {axes_text(output)} is a map of cells of {STRIDE} pixels: objectness, box, {classes} classes;"
            " the picture as FastestDet's own code makes it",
        )


SPEC = PostprocessSpec(
    name="fastestdet",
    summary="FastestDet detector: one anchor-free feature map",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
