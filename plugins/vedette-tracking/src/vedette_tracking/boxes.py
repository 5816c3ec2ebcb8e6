"""Boxes as arrays: two ways to write them, and how much they overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def xyxy_to_cxcywh(xyxy: Floats) -> Floats:
    """``(n, 4)`` left, top, right, bottom to centre x, centre y, width, height.

    >>> xyxy_to_cxcywh(np.array([[0.0, 0.0, 4.0, 2.0]]))
    array([[2., 1., 4., 2.]])
    """
    size = xyxy[:, 2:] - xyxy[:, :2]
    return np.concatenate([xyxy[:, :2] + size / 2, size], axis=1)


def cxcywh_to_xyxy(cxcywh: Floats) -> Floats:
    """Reverse of :func:`xyxy_to_cxcywh`."""
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)


def box_iou_batch(one: Floats, other: Floats) -> Floats:
    """Intersection over union of each of ``(n, 4)`` with each of ``(m, 4)`` boxes (xyxy): ``(n, m)``, 0..1. Boxes
    without an area overlap nothing.

    >>> box_iou_batch(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 1], [5, 5, 6, 6]]))
    array([[0.5, 0. ]])
    """
    width = np.minimum(one[:, None, 2], other[:, 2]) - np.maximum(one[:, None, 0], other[:, 0])
    height = np.minimum(one[:, None, 3], other[:, 3]) - np.maximum(one[:, None, 1], other[:, 1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    areas = _areas(one)[:, None] + _areas(other)
    union: Floats = np.maximum(areas - common, np.finfo(np.float64).tiny)
    shares: Floats = common / union
    return shares


def _areas(xyxy: Floats) -> Floats:
    areas: Floats = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    return areas
