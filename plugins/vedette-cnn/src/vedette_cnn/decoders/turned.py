"""Turned boxes: their corners, how much they overlap, and their suppression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
"""Boxes that are held against all more confident ones at once."""
_TINY = 1e-7
"""Keeps quotients and logarithms of boxes without area finite."""

Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Variance along x, along y, and their covariance."""


def turned_corners(xywh: NDArray[np.float32], angle: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(m, 4, 2)``: the corners of ``xywh (m, 4)``, centre and size, turned by ``angle (m,)`` in radians from the x
    axis towards the y axis: those that are left top, right top, right bottom, left bottom at angle 0."""
    cos, sin = np.cos(angle), np.sin(angle)
    half = xywh[:, 2:] * np.float32(0.5)
    along = np.stack([cos, sin], axis=1) * half[:, :1]
    across = np.stack([-sin, cos], axis=1) * half[:, 1:]
    sides = np.stack([-along - across, along - across, along + across, across - along], axis=1)
    corners: NDArray[np.float32] = xywh[:, None, :2] + sides
    return corners


def prob_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, m)``, 0..1: ProbIoU of turned boxes ``a (n, 5)`` and ``b (m, 5)``: x, y, width, height, angle.

    Each box stands for the normal distribution with the moments of a uniform one on it; the measure is one minus the
    Hellinger distance of the two (Llerena et al. 2021, "Gaussian Bounding Boxes and Probabilistic Intersection-over-
    Union for Object Detection", https://arxiv.org/abs/2106.06072, equations 3 to 9).
    """
    xx, yy, xy = (one[:, None] + two for one, two in zip(_moments(a), _moments(b), strict=True))
    dx, dy = a[:, None, 0] - b[:, 0], a[:, None, 1] - b[:, 1]
    determinant = xx * yy - xy**2
    apart = (xx * dy**2 + yy * dx**2 - 2 * xy * dx * dy) / (4 * (determinant + _TINY))
    areas = np.sqrt(_determinant(a)[:, None] * _determinant(b))
    unlike = np.log(determinant / (4 * areas + _TINY) + _TINY) / 2
    bhattacharyya = np.clip(apart + unlike, _TINY, 100)
    similar: NDArray[np.float64] = 1 - np.sqrt(1 - np.exp(-bhattacharyya) + _TINY)
    return similar


def fast_nms(
    xywha: NDArray[np.float32],
    confidence: NDArray[np.float32],
    iou_threshold: float,
    group: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Fast non-maximum suppression (Bolya et al. 2019, "YOLACT", https://arxiv.org/abs/1904.02689): a box goes if it
    overlaps *any* more confident one of its group by more than ``iou_threshold`` of ProbIoU, also one that goes itself.

    Parameters
    ----------
    xywha
        ``(m, 5)``: x, y of the centre, width, height, angle in radians.
    group
        ``(m,)``: boxes of different groups do not suppress each other.

    Returns
    -------
    ``(kept,) intp`` indices in descending confidence.
    """
    order = np.argsort(-confidence, kind="stable")
    boxes, group = xywha[order].astype(np.float64), group[order]
    kept = np.ones(len(order), np.bool_)
    for start in range(0, len(order), _BLOCK):
        end = min(start + _BLOCK, len(order))
        overlaps = prob_iou(boxes[:end], boxes[start:end]) > iou_threshold
        overlaps &= group[:end, None] == group[start:end]
        overlaps &= np.arange(end)[:, None] < np.arange(start, end)
        kept[start:end] = ~overlaps.any(axis=0)
    return order[kept]


def _moments(xywha: NDArray[np.float64]) -> Moments:
    width, height = xywha[:, 2] ** 2 / 12, xywha[:, 3] ** 2 / 12
    cos, sin = np.cos(xywha[:, 4]), np.sin(xywha[:, 4])
    return width * cos**2 + height * sin**2, width * sin**2 + height * cos**2, (width - height) * cos * sin


def _determinant(xywha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the covariance matrix: it does not depend on the angle."""
    determinant: NDArray[np.float64] = (xywha[:, 2] * xywha[:, 3]) ** 2 / 144
    return determinant
