"""How far two libraries say the same of the same frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = Sequence[float]
"""``class, x0, y0, x1, y1`` in pixels of the frame."""
SAME_IOU = 0.5


def classes_agree(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Share of frames with the same best class."""
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)


def boxes_agree(ours: Sequence[Sequence[Box]], theirs: Sequence[Sequence[Box]]) -> float:
    """Share of boxes that have a partner: same frame, same class, IoU of 0.5 or more. 1 if nobody sees anything."""
    paired = sum(
        _pairs(np.array(a).reshape(-1, 5), np.array(b).reshape(-1, 5))
        for a, b in zip(ours, theirs, strict=True)
    )
    count = sum(map(len, ours)) + sum(map(len, theirs))
    return 2 * paired / count if count else 1.0


def _pairs(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """Greedy pairs, the best overlap first."""
    overlap = _iou(a[:, None, 1:], b[None, :, 1:]) * (a[:, None, 0] == b[None, :, 0])
    count = 0
    while overlap.size and overlap.max() >= SAME_IOU:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[row, :] = overlap[:, column] = 0
        count += 1
    return count


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.clip(corner[1] - corner[0], 0, None).prod(-1)
    both = sum(np.clip(box[..., 2:] - box[..., :2], 0, None).prod(-1) for box in (a, b))
    ratio: NDArray[np.float64] = shared / np.maximum(both - shared, 1e-9)
    return ratio
