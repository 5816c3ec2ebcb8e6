"""Ultralytics segmentation: boxes with masks. The layouts are told by :mod:`vedette_cnn.decoders.ultralytics_head`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.specs import PostprocessSpec, Tensors
from vedette_cnn.decoders.boxes import check, place, placed
from vedette_cnn.decoders.masks import Masked, box_masks
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.ultralytics_export import recognise
from vedette_cnn.decoders.ultralytics_head import HeadParams, find_axes, read_entries, suppressed, upright

MaskSide = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class Params(HeadParams, frozen=True, kw_only=True):
    """Parameters, besides those of every such head.

    Attributes
    ----------
    prototypes
        Name of the output with the prototypes; ``None``: the only output of four axes.
    prototype_layout
        The order of their axes.
    mask_wh
        Width and height of a mask: the grid over its box. 28 x 28, as Mask R-CNN has it, keeps smooth shapes to an IoU
        of 0.99; 56 x 56 to 0.998, in four times the memory.
    """

    prototypes: str | None = None
    prototype_layout: Literal["nchw", "nhwc"] = "nchw"
    mask_wh: tuple[MaskSide, MaskSide] = (28, 28)


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Detections:
    """Decode ``(n, 4 + classes + c, anchors)`` or records ``(n, k, 6 + c)``, with prototypes ``(n, c, h, w)`` whose
    sum, weighted by the ``c`` last columns of an entry, is its mask before the sigmoid.

    Raises
    ------
    ResultError
        An output does not fit ``params`` or ``labels``, or holds NaN where it matters.
    """
    raw = Raw("ultralytics_segment", outputs)
    prototypes = _prototypes(raw, params, len(affines))
    entries = read_entries(raw, params, len(affines), prototypes.shape[1], labels)
    found = Masked(
        row=entries.row,
        xyxy=upright(entries, params),
        confidence=entries.confidence,
        class_id=entries.class_id,
        coefficients=entries.extra,
    )
    check(raw, found)
    found = suppressed(found, params)
    kept, xyxy = place(found, affines, size_wh, params.max_detections)
    found = found.take(kept)
    masks = box_masks(raw, prototypes, found, xyxy, affines, params.input_wh, params.mask_wh)
    return placed(found, xyxy, affines, labels, masks)


def _prototypes(raw: Raw, params: Params, n: int) -> NDArray[np.float32]:
    name = find_axes(raw, params.prototypes, 4)
    found = raw.floats(name, (n, None, None, None))
    ordered = found if params.prototype_layout == "nchw" else found.transpose(0, 3, 1, 2)
    if not all(ordered.shape[1:]):
        raise raw.error(f"output {name!r} holds no prototypes: it is {found.shape}")
    return ordered.astype(np.float32, copy=False)


SPEC = PostprocessSpec(
    name="ultralytics_segment",
    summary="Ultralytics YOLO segmentation: boxes with masks",
    result=Detections,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=partial(recognise, "segment"),
)
