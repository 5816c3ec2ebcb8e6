"""What an :class:`InputSpec` means, written for reading: float64, one matrix per resize, nothing clever.

The fast path of :mod:`vedette.vision.preprocess` is held to this; so may be anybody's training code or device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.frame import Kernel
from vedette.vision.preprocess import plan_geometry
from vedette.vision.spec import InputSpec

Bytes = NDArray[np.uint8]


def tensor(spec: InputSpec, image: Bytes) -> NDArray[Any]:
    """The row that ``image`` becomes: ``spec.row_shape`` of ``spec.dtype``.

    ``image`` is upright, ``(h, w, 3) uint8`` in the channel order of ``spec.colour``, ``(h, w)`` for ``gray``.
    """
    picture = pixels(spec, image)
    if spec.dtype == "float32":
        mean, scale = np.array([spec.mean, spec.scale], np.float32)
        picture = (picture.astype(np.float32) - mean) / scale
    return picture.transpose(2, 0, 1) if spec.layout == "nchw" else picture


def pixels(spec: InputSpec, image: Bytes) -> Bytes:
    """The pixel half: ``(h, w, c) uint8``, resized and padded. ``image`` as in :func:`tensor`."""
    placement = plan_geometry(spec, (image.shape[1], image.shape[0]))
    resized = resize(image, placement.resized_wh, spec.kernel).reshape(
        *placement.resized_wh[::-1], spec.channels
    )
    width, height = spec.size_wh
    out = np.empty((height, width, spec.channels), np.uint8)
    out[...] = spec.pad
    (x, y), (x0, y0, x1, y1) = placement.offset_xy, placement.covered
    out[y0:y1, x0:x1] = resized[y0 - y : y1 - y, x0 - x : x1 - x]
    return out


def resize(image: NDArray[Any], size_wh: tuple[int, int], kernel: Kernel) -> NDArray[Any]:
    """Resize ``(h, w)`` or ``(h, w, c)`` by the formulas of :mod:`vedette.vision.resample`; rounded half to even."""
    rows = weights(kernel, image.shape[0], size_wh[1])
    columns = weights(kernel, image.shape[1], size_wh[0])
    total: NDArray[np.float64] = np.einsum(
        "ah,hw...,bw->ab...", rows, image.astype(np.float64), columns, optimize=True
    )
    return np.rint(total).astype(image.dtype)


def weights(kernel: Kernel, size: int, n: int) -> NDArray[np.float64]:
    """``(n, size)``: the weight of each source pixel in each output pixel; rows add up to 1."""
    scale = size / n
    matrix: NDArray[np.float64] = np.zeros((n, size))
    for i in range(n):
        centre = (i + 0.5) * size / n
        for j in range(size):
            distance = abs(j + 0.5 - centre)
            if kernel == "nearest":
                matrix[i, j] = j == math.floor(centre)
            elif kernel == "bilinear":
                matrix[i, j] = max(0.0, 1 - distance)
            elif kernel == "bilinear_antialias":
                matrix[i, j] = max(0.0, 1 - distance / max(scale, 1))
            else:
                overlap = min(j + 1, centre + scale / 2) - max(j, centre - scale / 2)
                matrix[i, j] = max(0.0, overlap)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix
