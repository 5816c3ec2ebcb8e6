"""MoveNet (Google 2021, https://blog.tensorflow.org/2021/05/next-generation-pose-detection-with-movenet-and-tensorflowjs.html;
its model cards give the layouts): the points of one person, or of up to six."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Keypoints
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette.vision.geometry import points_to_frame
from vedette.vision.spec import Side
from vedette_cnn.decoders.boxes import CERTAIN, Fraction
from vedette_cnn.decoders.points import COCO_17, point_names
from vedette_cnn.decoders.raw import Floats, Raw

POINTS = len(COCO_17)
YXC = 3 * POINTS
"""y, x and confidence of every point; several people have a box and its score after them."""
SCORE = YXC + 4


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    input_wh
        Width and height of the input tensor.
    output
        Name of the output; ``None``: the only one.
    confidence_threshold
        Networks for several people: a person whose score is lower is left out. One for a single person has no such
        score; it always reports one, and the confidences of the points tell whether there is somebody.
    """

    input_wh: tuple[Side, Side]
    output: str | None = None
    confidence_threshold: Fraction = 0.3


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Keypoints:
    """Decode one output: ``(n, 1, 17, 3)``, y, x and confidence of each point; or ``(n, people, 56)``, the same in a
    row and then top, left, bottom, right and score of the person. Positions are relative to the input (0..1).

    The 17 points are those of COCO; their names are the labels of the result, unless the bundle has others. A row of
    the result is one person, the surest first. Points are not clipped to the frame.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, is not finite, or its confidences are not 0..1.
    """
    raw = Raw("movenet", outputs)
    row, yxc = _people(raw, params, len(affines))
    if not np.isfinite(yxc).all():
        raise raw.error(
            "a point is not finite",
            "run it at precision f32 and on another backend: if that does not help, the model file is broken",
        )
    confidence = yxc[..., 2]
    if confidence.min(initial=0) < 1 - CERTAIN or confidence.max(initial=0) > CERTAIN:
        raise raw.error(
            f"confidences reach from {confidence.min():.4g} to {confidence.max():.4g}, beyond 0..1"
        )
    points = yxc[..., 1::-1] * np.array(params.input_wh, np.float32)
    return Keypoints(
        points=points_to_frame(points, row, affines),
        confidence=confidence.clip(0, 1),
        source_row=row.astype(np.int32),
        labels=point_names(raw, POINTS, labels, COCO_17),
    )


def _people(raw: Raw, params: Params, n: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Batch row and points ``(m, 17, 3)`` of each person."""
    name, tensor = raw.find(params.output)
    single, several = (n, 1, POINTS, 3), (n, None, SCORE + 1)
    if tensor.ndim == 4:
        table = raw.floats(name, single)[:, 0]
        return np.arange(n), table.astype(np.float32, copy=False)
    people = raw.floats(name, several)
    score: Floats = people[..., SCORE]
    raw.refuse_nan("the score of a person", score)
    row, person = np.nonzero(score >= np.float32(params.confidence_threshold))
    order = np.lexsort((-score[row, person], row))
    row, person = row[order], person[order]
    return row, people[row, person, :YXC].astype(np.float32, copy=False).reshape(-1, POINTS, 3)


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """By the shape of its one output, which no other network has. It takes whole pictures in 0..255, padded."""
    shapes = [info.shape for info in facts.outputs.values()]
    if len(shapes) == 1 and (shapes[0][1:] == (1, POINTS, 3) or shapes[0][2:] == (SCORE + 1,)):
        people = "one person" if len(shapes[0]) == 4 else "several people"
        yield Proposal(
            task="keypoints",
            image={
                "colour": "rgb",
                "resize": "letterbox",
                "anchor": "center",
                "pad": (0,),
                "kernel": "bilinear",
                "mean": (0,),
                "scale": (1,),
            },
            why=f"{POINTS} points of {people}, as of MoveNet",
        )


SPEC = PostprocessSpec(
    name="movenet",
    summary="MoveNet: 17 points of a body",
    result=Keypoints,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
