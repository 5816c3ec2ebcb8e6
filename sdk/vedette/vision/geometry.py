"""Affine maps between the tensor, the region and the frame.

A map is ``(2, 3) float64``: ``[x', y'] = A[:, :2] @ [x, y] + A[:, 2]``. All coordinates are continuous pixel
coordinates (see :mod:`vedette.frame`): ``(0, 0)`` is the outer corner of the first pixel, its centre is ``(0.5, 0.5)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
Floats = NDArray[np.float32] | NDArray[np.float64]
Indices = NDArray[np.intp] | NDArray[np.int32] | NDArray[np.int64]


def scale_translate(sx: float, sy: float, dx: float = 0.0, dy: float = 0.0) -> Affine:
    """The map ``(x, y) -> (sx * x + dx, sy * y + dy)``."""
    return np.array([[sx, 0.0, dx], [0.0, sy, dy]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """The map that applies ``inner`` first, then ``outer``. Leading axes broadcast: ``(..., 2, 3)``."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def invert(affine: Affine) -> Affine:
    """The inverse map ``(..., 2, 3)``.

    Raises
    ------
    numpy.linalg.LinAlgError
        The map is singular.
    """
    linear = np.linalg.inv(affine[..., :2])
    return np.concatenate([linear, -linear @ affine[..., 2:]], axis=-1)


def apply(affine: Affine, points: Floats) -> NDArray[np.float64]:
    """Map ``points (..., 2)`` by one map ``(2, 3)``."""
    return points @ affine[:, :2].T + affine[:, 2]


def boxes_to_frame(
    xyxy: Floats, rows: Indices, affines: Affine, size_wh: tuple[int, int]
) -> NDArray[np.float32]:
    """Map boxes of batch rows to the frame and clip them to it.

    Parameters
    ----------
    xyxy
        ``(m, 4)`` corners ``x0, y0, x1, y1`` in pixels of the tensor.
    rows
        ``(m,)`` integers: the batch row of each box.
    affines
        ``(n, 2, 3)``: tensor to frame, per batch row.
    size_wh
        Size of the frame.

    Returns
    -------
    ``(m, 4) float32`` pixels of the frame. Where a map turns or mirrors, the upright box around the turned one.
    """
    maps = affines[rows]
    centre = 0.5 * (xyxy[:, :2] + xyxy[:, 2:]).astype(np.float64)
    half = 0.5 * (xyxy[:, 2:] - xyxy[:, :2]).astype(np.float64)
    centre = np.einsum("mij,mj->mi", maps[:, :, :2], centre) + maps[:, :, 2]
    half = np.einsum("mij,mj->mi", np.abs(maps[:, :, :2]), half)
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    limit = np.array([*size_wh, *size_wh], np.float64)
    return np.clip(boxes, 0.0, limit, out=boxes).astype(np.float32)


def points_to_frame(points: Floats, rows: Indices, affines: Affine) -> NDArray[np.float32]:
    """Map points of batch rows to the frame; they are not clipped.

    ``points`` is ``(m, k, 2)`` or ``(m, 2)`` in pixels of the tensor, ``rows (m,)`` and ``affines (n, 2, 3)`` as in
    :func:`boxes_to_frame`. Returns ``float32`` of the shape of ``points``.
    """
    maps = affines[rows]
    grouped = points if points.ndim == 3 else points[:, None, :]
    mapped: NDArray[np.float64] = np.einsum("mij,mkj->mki", maps[:, :, :2], grouped) + maps[:, None, :, 2]
    return mapped.reshape(points.shape).astype(np.float32)
