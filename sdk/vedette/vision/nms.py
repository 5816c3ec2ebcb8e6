"""Non-maximum suppression: of boxes that cover the same thing, keep the most confident one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.vision.geometry import Floats

_BLOCK = 64
"""Boxes whose overlaps are computed at once: few enough that suppressed boxes drop out early."""


def iou_matrix(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Intersection over union of boxes ``a (n, 4)`` and ``b (m, 4)``, ``x0, y0, x1, y1``: ``(n, m)`` in 0..1.

    Boxes without area overlap nothing: their rows and columns are 0.
    """
    overlap, union = _overlap_union(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def nms(
    xyxy: Floats, confidence: Floats, iou_threshold: float, class_id: NDArray[Any] | None = None
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression, as used since Felzenszwalb et al. (PAMI 2010).

    Boxes are visited by descending confidence, equal ones in their given order. A box is kept unless its intersection
    over union with a box kept before is *greater* than ``iou_threshold`` (and both are of one class, if ``class_id`` is
    given). Overlaps are computed in float64 and compared without a division. The result does not depend on anything
    else: same input, same output.

    Parameters
    ----------
    xyxy
        ``(n, 4)`` corners ``x0, y0, x1, y1``, any unit.
    confidence
        ``(n,)``; not NaN.
    iou_threshold
        0..1.
    class_id
        ``(n,)`` integers: boxes of different classes never suppress each other. ``None``: classes do not matter.

    Returns
    -------
    ``(kept,) intp`` indices of the kept boxes in descending confidence.
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    boxes = np.asarray(xyxy, np.float64)
    kept: list[NDArray[np.intp]] = []
    while len(order):
        block = order[:_BLOCK]
        hides = _hides(boxes, class_id, block, order, iou_threshold)
        chosen = _greedy(hides[:, : len(block)])
        kept.append(block[chosen])
        hidden: NDArray[np.bool_] = np.logical_or.reduce(hides[chosen], axis=0)
        order = order[len(block) :][~hidden[len(block) :]]
    return np.concatenate(kept) if kept else np.zeros(0, np.intp)


def _hides(
    boxes: NDArray[np.float64],
    class_id: NDArray[Any] | None,
    block: NDArray[np.intp],
    others: NDArray[np.intp],
    iou_threshold: float,
) -> NDArray[np.bool_]:
    """``(block, others)``: whether the first, if kept, suppresses the second."""
    overlap, union = _overlap_union(boxes[block], boxes[others])
    hides = overlap > iou_threshold * union
    if class_id is not None:
        hides &= class_id[block][:, None] == class_id[others]
    return hides


def _greedy(hides: NDArray[np.bool_]) -> list[int]:
    """Indices that survive among boxes in visiting order; each row is handled as the bits of one integer."""
    rows = np.packbits(hides, axis=1, bitorder="little")
    hidden = 0
    chosen = []
    for i, row in enumerate(rows):
        if not hidden >> i & 1:
            chosen.append(i)
            hidden |= int.from_bytes(row.tobytes(), "little")
    return chosen


def _overlap_union(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas of intersection and union, each ``(n, m)``; column by column, because ``(n, m, 2)`` arrays are slow."""
    width = np.minimum(a[:, None, 2], b[:, 2]) - np.maximum(a[:, None, 0], b[:, 0])
    height = np.minimum(a[:, None, 3], b[:, 3]) - np.maximum(a[:, None, 1], b[:, 1])
    overlap = np.maximum(width, 0, out=width)
    overlap *= np.maximum(height, 0, out=height)
    union = _area(a)[:, None] + _area(b)
    union -= overlap
    return overlap, union


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
