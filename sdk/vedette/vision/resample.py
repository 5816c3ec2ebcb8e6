"""Resizing of images and planes, by the four kernels that an :class:`~vedette.vision.spec.InputSpec` can name.

Output pixel ``i`` of ``n`` looks at the source position ``c = (i + 0.5) * size / n`` (continuous coordinates, so
half-pixel centres); ``s = size / n`` is the scale. Each kernel is separable and weighs the source pixel ``j``, whose
centre is ``j + 0.5``, by

==================== =================================================================================
nearest              1 for the pixel that contains ``c`` (the right one when ``c`` lies between two)
bilinear             ``max(0, 1 - |j + 0.5 - c|)``: two taps a side, whatever the scale
bilinear_antialias   ``max(0, 1 - |j + 0.5 - c| / max(s, 1))``: the triangle filter of Pillow's BILINEAR
area                 the part of ``[c - s/2, c + s/2]`` that the pixel covers
==================== =================================================================================

Weights of pixels beyond the edge are dropped and the rest scaled to the sum 1. Sums are float32 and rounded once, at
the end, half to even. OpenCV does ``bilinear`` (``INTER_LINEAR``), ``area`` when neither side grows (``INTER_AREA``)
and ``bilinear_antialias`` when neither side shrinks; it rounds intermediate values, so that a channel may differ by one
level. ``nearest`` is always numpy, as OpenCV's fixed-point positions pick another pixel now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.frame import Kernel
from vedette.vision.accelerator import opencv

Pixels = NDArray[Any]
Window = tuple[float, float, float, float]
"""``(x, y, w, h)`` in continuous pixel coordinates."""

_GATHER_COST = 1.5
"""Time of a weighted column tap relative to a weighted row tap, which reads memory in order (measured)."""


def resize(image: Pixels, size_wh: tuple[int, int], kernel: Kernel, window: Window | None = None) -> Pixels:
    """Resize ``image``, or the part of it in ``window``, to ``size_wh``.

    Parameters
    ----------
    image
        ``(h, w)``, ``(h, w, 2)`` or ``(h, w, 3)`` ``uint8``, or ``(h, w) uint16``; rows may be strided.
    size_wh
        Size of the result.
    kernel
        See the module.
    window
        The part to resize, within the image but not bound to whole pixels; taps may reach beyond it, up to the
        image's edge. Default: the whole image.

    Returns
    -------
    ``(size_wh[1], size_wh[0], ...)`` of the image's dtype; the image itself where there is nothing to do.
    """
    h, w = image.shape[:2]
    whole = window is None or window == (0, 0, w, h)
    if whole and size_wh == (w, h):
        return image
    if whole and kernel != "nearest":
        resized = _resize_opencv(image, size_wh, kernel)
        if resized is not None:
            return resized
    x, y, extent_x, extent_y = (0.0, 0.0, float(w), float(h)) if window is None else window
    rows = taps(kernel, h, size_wh[1], y, extent_y)
    columns = taps(kernel, w, size_wh[0], x, extent_x)
    if kernel == "nearest":
        picked: Pixels = image.take(rows.index[0], axis=0).take(columns.index[0], axis=1)
        return picked
    return _weigh(image, rows, columns)


def _resize_opencv(image: Pixels, size_wh: tuple[int, int], kernel: Kernel) -> Pixels | None:
    """Resize by OpenCV, or ``None`` where it is not here or computes something else."""
    cv2 = opencv()
    if cv2 is None:
        return None
    h, w = image.shape[:2]
    if kernel == "bilinear" or (kernel == "bilinear_antialias" and size_wh[0] >= w and size_wh[1] >= h):
        flag = cv2.INTER_LINEAR
    elif kernel == "area" and size_wh[0] <= w and size_wh[1] <= h:
        flag = cv2.INTER_AREA
    else:
        return None
    resized: Pixels = cv2.resize(image, size_wh, interpolation=flag)
    return resized


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """What each of ``n`` outputs sums up: ``index (k, n)`` of source pixels and ``weight (k, n) float32``.

    ``used`` are the source pixels that are needed at all, and ``compact`` is ``index`` counted in those.
    """

    index: NDArray[np.intp]
    weight: NDArray[np.float32]
    used: NDArray[np.intp]
    compact: NDArray[np.intp]


@lru_cache(maxsize=512)
def taps(kernel: Kernel, size: int, n: int, start: float, extent: float) -> Taps:
    """The taps of ``n`` outputs spread over ``start .. start + extent`` of ``size`` source pixels."""
    centre = start + (np.arange(n) + 0.5) * extent / n
    if kernel == "nearest":
        # Halfway between two pixels is halfway, whatever rounding the sum above has met.
        index = np.floor(centre.round(9)).astype(np.intp)[None]
        weight = np.ones((1, n))
    else:
        index, weight = _weights(kernel, centre, extent / n)
        weight[(index < 0) | (index >= size)] = 0
        weight /= weight.sum(axis=0)
        needed = (weight > 1e-9).any(axis=1)
        index, weight = index[needed], weight[needed]
    index = np.clip(index, 0, size - 1)
    used, compact = np.unique(index, return_inverse=True)
    return Taps(index, weight.astype(np.float32), used, compact.reshape(index.shape))


def _weights(
    kernel: Kernel, centre: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Source pixels around each centre and their weights by the kernel's formula, both ``(k, n)``."""
    if kernel == "area":
        first = np.floor(centre - scale / 2)
        index = first + np.arange(int(np.ceil(scale)) + 1)[:, None]
        covered = np.minimum(index + 1, centre + scale / 2) - np.maximum(index, centre - scale / 2)
        return index.astype(np.intp), np.maximum(covered, 0)
    support = max(scale, 1.0) if kernel == "bilinear_antialias" else 1.0
    first = np.floor(centre - support + 0.5)
    index = first + np.arange(int(np.ceil(2 * support)))[:, None]
    return index.astype(np.intp), np.maximum(1 - np.abs(index + 0.5 - centre) / support, 0)


def _weigh(image: Pixels, rows: Taps, columns: Taps) -> Pixels:
    """Apply both passes in the cheaper order, and round. Only rows that have a weight are read."""
    h, w = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    flat = image.reshape(h, w * channels)
    (ky, out_h), (kx, out_w) = rows.index.shape, columns.index.shape
    rows_first = ky * out_h * w + _GATHER_COST * kx * out_h * out_w
    columns_first = _GATHER_COST * kx * len(rows.used) * out_w + ky * out_h * out_w
    if columns_first < rows_first:
        across = _sum_columns(flat[rows.used], columns, channels)
        total = _sum_rows(across, rows.compact, rows.weight)
    else:
        total = _sum_columns(_sum_rows(flat, rows.index, rows.weight), columns, channels)
    np.rint(total, out=total)
    return total.astype(image.dtype).reshape(out_h, out_w, *image.shape[2:])


def _sum_rows(flat: Pixels, index: NDArray[np.intp], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = np.multiply(flat[index[0]], weight[0][:, None], dtype=np.float32)
    for tap, factor in zip(index[1:], weight[1:], strict=True):
        total += np.multiply(flat[tap], factor[:, None], dtype=np.float32)
    return total


def _sum_columns(flat: Pixels, columns: Taps, channels: int) -> NDArray[np.float32]:
    total: NDArray[np.float32] | None = None
    for tap, factor in zip(columns.index, columns.weight, strict=True):
        if channels > 1:
            tap = (tap[:, None] * channels + np.arange(channels)).ravel()
            factor = np.repeat(factor, channels)
        part = flat.take(tap, axis=1).astype(np.float32, copy=False)
        part *= factor
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total
