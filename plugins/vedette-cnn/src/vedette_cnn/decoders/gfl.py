"""Heads that give the distance to each side of a box as a distribution (Li et al. 2020, "Generalized Focal Loss",
https://arxiv.org/abs/2006.04388): NanoDet (https://github.com/RangiLyu/nanodet) and PicoDet (Yu et al. 2021,
https://arxiv.org/abs/2111.00902), exported without their post-processing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.activations import sigmoid, softmax
from vedette_cnn.decoders.anchors import Strides, cells
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.raw import Floats, Raw
from vedette_cnn.decoders.sight import find_picture, only_output

STEP = 0.01
"""Scores below 0 by no more than a quantisation step are taken as 0."""


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    cell_offset
        Where in its cell a distance is measured from, as a part of the stride: 0, the corner (NanoDet-Plus:
        ``get_single_level_center_priors`` of its head), or 0.5, the middle (NanoDet before Plus; PicoDet:
        ``cell_offset`` of its configuration). It cannot be told from the outputs, so it has no default.
    strides
        Pixels per cell of the feature maps, in the order of the outputs.
    reg_max
        The largest distance in cells: a distribution has ``reg_max + 1`` values.
    activation
        What makes the scores probabilities: ``none`` where the graph does (exports of both networks), or ``sigmoid``.
    output
        Name of the one output with scores and distributions side by side; ``None``: the only one.
    scores, boxes
        Instead of ``output``: names of the outputs with scores and with distributions, one of each per stride.
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    class_agnostic
        Suppress across classes, not only within each.
    """

    cell_offset: Annotated[float, msgspec.Meta(ge=0, le=1)]
    confidence_threshold: Fraction = 0.4
    strides: Strides = (8, 16, 32, 64)
    reg_max: Annotated[int, msgspec.Meta(ge=1, le=256)] = 7
    activation: Literal["none", "sigmoid"] = "none"
    output: str | None = None
    scores: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    iou_threshold: Fraction = 0.6
    class_agnostic: bool = False

    def __post_init__(self) -> None:
        apart = len(self.scores) or len(self.boxes)
        if apart and not len(self.scores) == len(self.boxes) == len(self.strides):
            raise ValueError(
                f"{len(self.scores)} scores, {len(self.boxes)} boxes and {len(self.strides)} strides: "
                "name one output of each kind per stride"
            )
        if apart and self.output is not None:
            raise ValueError("give either output, or scores and boxes")


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode one output ``(n, anchors, classes + 4 * (reg_max + 1))``, or per stride one ``(n, cells, classes)`` and
    one ``(n, cells, 4 * (reg_max + 1))``: scores of the classes, then logits of the distributions of the distances, in
    cells, to the left, top, right and bottom.

    ``confidence`` is that of the best class. A distance is the mean of its distribution; only boxes above the
    threshold are decoded.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("gfl", outputs)
    grid = cells(params.input_wh, params.strides)
    scores, distributions = _heads(raw, len(affines), len(grid.stride), params)
    raw.check_classes(scores.shape[2], labels)
    best = scores.max(axis=2, initial=-np.inf)
    raw.refuse_nan("a class score", best)
    confidence = _confidence(raw, scores, best, params.activation)
    row, anchor = np.nonzero(confidence >= np.float32(params.confidence_threshold))
    found = Candidates(
        row=row,
        xyxy=_boxes(distributions[row, anchor], grid.xy[anchor], grid.stride[anchor], params),
        confidence=confidence[row, anchor],
        class_id=scores[row, anchor].argmax(axis=1),
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _heads(raw: Raw, n: int, anchors: int, params: Params) -> tuple[Floats, Floats]:
    """Scores ``(n, anchors, classes)`` and distributions ``(n, anchors, 4 * (reg_max + 1))``."""
    bins = 4 * (params.reg_max + 1)
    if params.scores:
        scores = [raw.floats(name, (n, None, None)) for name in params.scores]
        boxes = [raw.floats(name, (n, None, bins)) for name in params.boxes]
        want = [len(cells(params.input_wh, (stride,)).stride) for stride in params.strides]
        for kind, maps in ((params.scores, scores), (params.boxes, boxes)):
            if [part.shape[1] for part in maps] != want:
                raise raw.error(
                    f"outputs {', '.join(kind)} have {[part.shape[1] for part in maps]} cells, not {want}",
                    f"cells belong to input_wh {params.input_wh} and strides {params.strides}: correct these, or the "
                    "order of the outputs",
                )
        if len({part.shape[2] for part in scores}) > 1:
            raise raw.error(f"outputs {', '.join(params.scores)} do not have the same number of classes")
        return np.concatenate(scores, axis=1), np.concatenate(boxes, axis=1)
    head = raw.floats(
        params.output,
        (n, anchors, None),
        f"{anchors} anchors belong to input_wh {params.input_wh} with strides {params.strides}: "
        "correct these parameters of the decoder",
    )
    return head[..., :-bins], head[..., -bins:]


def _confidence(raw: Raw, scores: Floats, best: Floats, activation: str) -> NDArray[np.float32]:
    best = best.astype(np.float32, copy=False)
    if activation == "sigmoid":
        return sigmoid(best)
    lowest = scores.min(initial=0)
    if lowest < -STEP:
        raise raw.error(
            f"a class score is {lowest:.4g}, so the scores are not probabilities",
            "set activation to sigmoid, or correct reg_max",
        )
    return best


def _boxes(
    distribution: Floats, cell: NDArray[np.float32], stride: NDArray[np.float32], params: Params
) -> NDArray[np.float32]:
    """``(m, 4)`` in tensor pixels."""
    steps = np.arange(params.reg_max + 1, dtype=np.float32)
    logits = distribution.astype(np.float32, copy=False).reshape(-1, 4, len(steps))
    distance = softmax(logits) @ steps * stride
    point = (cell + np.float32(params.cell_offset)) * stride
    return np.concatenate([point - distance[:, :2], point + distance[:, 2:]], axis=1)


# --- the two networks by sight ------------------------------------------------------------------------------------

NANODET, NANODET_PLUS = (8, 16, 32), (8, 16, 32, 64)
BINS = (4 * 8, 4 * 17)
"""Widths of the distributions that the networks were published with: reg_max 7, and 16 in the paper."""
NANODET_INPUT = "data"
IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}
OF_NANODET = {
    "colour": "bgr",
    "resize": "stretch",
    "kernel": "bilinear",
    "mean": IMAGENET["mean"][::-1],
    "scale": IMAGENET["scale"][::-1],
}
OF_PICODET = {"colour": "rgb", "resize": "stretch", "kernel": "area", **IMAGENET}


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """NanoDet by its one output, whose anchors fit the picture; PicoDet and old NanoDet by one pair per stride."""
    picture = find_picture(facts)
    if picture is None or picture.width is None or picture.height is None:
        return
    size_wh = picture.width, picture.height
    head = only_output(facts, 3)
    if head is not None:
        yield from _joined(facts, size_wh, head.shape)
    elif (pairs := _pairs(facts, size_wh)) is not None:
        scores, boxes, strides = pairs
        width = facts.outputs[boxes[0]].shape[2] or 0
        yield Proposal(
            task="detection",
            params={
                "cell_offset": 0.5,
                "strides": strides,
                "reg_max": width // 4 - 1,
                "scores": scores,
                "boxes": boxes,
            },
            image=OF_NANODET if NANODET_INPUT in facts.inputs else OF_PICODET,
            why=f"scores and distributions of {len(strides)} feature maps, as of PicoDet and the first NanoDet",
        )


def _joined(facts: ModelFacts, size_wh: tuple[int, int], shape: tuple[int | None, ...]) -> Iterator[Proposal]:
    """Three strides are also those of YOLOX, so that they count only beside NanoDet's name of its input."""
    for strides, offset, name in ((NANODET_PLUS, 0.0, "NanoDet-Plus"), (NANODET, 0.5, "NanoDet")):
        fits = shape[1] == len(cells(size_wh, strides).stride) and (shape[2] or 0) > BINS[0]
        if fits and (strides == NANODET_PLUS or NANODET_INPUT in facts.inputs):
            yield Proposal(
                task="detection",
                params={"cell_offset": offset, "strides": strides},
                image=OF_NANODET,
                why=f"{shape[1]} anchors of {len(strides)} strides, as of {name}",
            )


def _pairs(
    facts: ModelFacts, size_wh: tuple[int, int]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]] | None:
    """Names of scores and of distributions, one of each per stride, and the strides."""
    shapes = {name: info.shape[1:] for name, info in facts.outputs.items() if len(info.shape) == 3}
    for strides in (NANODET_PLUS, NANODET):
        counts = [len(cells(size_wh, (stride,)).stride) for stride in strides]
        for width in BINS:
            boxes = [name for count in counts for name, shape in shapes.items() if shape == (count, width)]
            scores = [
                name for count in counts for name in shapes if shapes[name][0] == count and name not in boxes
            ]
            if len(facts.outputs) == 2 * len(strides) == 2 * len(boxes) == 2 * len(scores):
                return tuple(scores), tuple(boxes), strides
    return None


SPEC = PostprocessSpec(
    name="gfl",
    summary="NanoDet, PicoDet: distances to the sides of a box as distributions",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
