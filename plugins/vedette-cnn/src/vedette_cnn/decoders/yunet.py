"""YuNet (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20;
https://github.com/ShiqiYu/libfacedetection.train): faces with five landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.anchors import Strides, boxes, cells, check_strides
from vedette_cnn.decoders.boxes import Candidates, DetectorParams, Fraction, check, suppress, to_detections
from vedette_cnn.decoders.raw import Floats, Raw
from vedette_cnn.decoders.sight import find_picture, normalised

STRIDES = (8, 16, 32)
LANDMARKS = 5
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 2 * LANDMARKS}
"""Numbers per cell of each output, by the first part of its name."""


class Params(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    strides
        Pixels per cell of the feature maps; the outputs are named ``cls_<stride>``, ``obj_<stride>`` and so on.
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out.
    """

    confidence_threshold: Fraction = 0.6
    strides: Strides = STRIDES
    iou_threshold: Fraction = 0.3

    def __post_init__(self) -> None:
        check_strides(self.input_wh, self.strides)


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode four outputs per stride, each ``(n, cells, ...)``: ``cls (1)`` and ``obj (1)``, probabilities;
    ``bbox (4)``, the box centre from the cell's corner in cells and the log of width and height in cells; ``kps (10)``,
    x, y of five points from the cell's corner in cells. There is one class, 0.

    ``confidence = sqrt(cls * obj)``. ``points`` are, as the viewer sees the face: left eye, right eye, nose, left and
    right corner of the mouth.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("yunet", outputs)
    raw.check_classes(1, labels)
    n, grid = len(affines), cells(params.input_wh, params.strides)
    chance = _joined(raw, "cls", n, 1, params) * _joined(raw, "obj", n, 1, params)
    raw.refuse_nan("an output cls or obj", chance)
    confidence = np.sqrt(np.maximum(chance[..., 0], 0))
    row, anchor = np.nonzero(confidence >= np.float32(params.confidence_threshold))
    box = _joined(raw, "bbox", n, 4, params)[row, anchor]
    point = _joined(raw, "kps", n, 2 * LANDMARKS, params)[row, anchor].reshape(-1, LANDMARKS, 2)
    cell, stride = grid.xy[anchor], grid.stride[anchor]
    found = Candidates(
        row=row,
        xyxy=boxes(box, cell, stride),
        confidence=confidence[row, anchor],
        class_id=np.zeros(len(row), np.intp),
        points=(point + cell[:, None]) * stride[:, None],
    )
    check(raw, found)
    found = suppress(found, params.iou_threshold)
    return to_detections(found, affines, size_wh, params.max_detections, labels)


def _joined(raw: Raw, kind: str, n: int, width: int, params: Params) -> NDArray[np.float32]:
    """The outputs ``kind`` of all strides behind one another, ``(n, anchors, width)``."""
    maps: list[Floats] = []
    for stride in params.strides:
        w, h = params.input_wh[0] // stride, params.input_wh[1] // stride
        fix = f"{w * h} cells belong to input_wh {params.input_wh}: correct this parameter of the decoder"
        maps.append(raw.floats(f"{kind}_{stride}", (n, w * h, width), fix))
    return np.concatenate(maps, axis=1).astype(np.float32, copy=False)


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model with the outputs ``cls_8`` to ``kps_32``. The picture is what OpenCV's and the authors' code makes."""
    picture = find_picture(facts)
    strides = tuple(
        sorted(int(name[4:]) for name in facts.outputs if name[:4] == "cls_" and name[4:].isdecimal())
    )
    wanted = {f"{kind}_{stride}": width for kind, width in WIDTHS.items() for stride in strides}
    found = {name: tensor.shape[-1] for name, tensor in facts.outputs.items() if len(tensor.shape) == 3}
    if picture is None or not strides or 0 in strides or found != wanted:
        return
    yield Proposal(
        task="detection",
        params={"strides": strides} if strides != STRIDES else {},
        image={
            "colour": "bgr",
            "resize": "letterbox",
            "anchor": "top_left",
            "pad": [0],
            "kernel": "bilinear",
            **normalised(picture, 0, 1),
        },
        why=f"outputs cls, obj, bbox and kps of strides {', '.join(map(str, strides))}; the picture as YuNet takes it",
    )


SPEC = PostprocessSpec(
    name="yunet",
    summary="YuNet face detector: boxes and five landmarks",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
