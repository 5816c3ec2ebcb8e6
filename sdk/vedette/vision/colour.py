"""Colour conversions: Y'CbCr to R'G'B', and to gray.

The matrices follow from the luma weights ``kr`` and ``kb`` of ITU-R BT.601-7, BT.709-6 and BT.2020-2; limited range is
16..235 for Y' and 16..240 for Cb and Cr. Values are computed in float32, rounded half to even and clipped to 0..255.
OpenCV computes in fixed point: a channel may differ by one level.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.frame import Matrix, PackedFormat, Range
from vedette.vision.accelerator import opencv

Bytes = NDArray[np.uint8]

_LUMA: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


@cache
def ycbcr_matrix(matrix: Matrix, range: Range, format: PackedFormat) -> NDArray[np.float64]:
    """``(3, 4) float64``: ``M @ [Y', Cb, Cr, 1]`` are the channels in the order of ``format`` (``rgb`` or ``bgr``)."""
    kr, kb = _LUMA[matrix]
    kg = 1 - kr - kb
    black, luma, chroma = (16, 255 / 219, 255 / 224) if range == "limited" else (0, 1.0, 1.0)
    red = (luma, 0.0, 2 * (1 - kr) * chroma)
    green = (luma, -2 * kb * (1 - kb) / kg * chroma, -2 * kr * (1 - kr) / kg * chroma)
    blue = (luma, 2 * (1 - kb) * chroma, 0.0)
    rows = [(y, cb, cr, -black * y - 128 * (cb + cr)) for y, cb, cr in (red, green, blue)]
    result = np.array(rows if format == "rgb" else rows[::-1])
    result.flags.writeable = False
    return result


def ycbcr_to_colour(
    y: Bytes, cb: Bytes, cr: Bytes, matrix: Matrix, range: Range, format: PackedFormat
) -> Bytes:
    """Convert planes ``(h, w) uint8`` of equal size to ``(h, w, 3) uint8``; ``format`` is ``rgb`` or ``bgr``."""
    factors = ycbcr_matrix(matrix, range, format)
    cv2 = opencv()
    if cv2 is not None:
        converted: Bytes = cv2.transform(cv2.merge([y, cb, cr]), factors)
        return converted
    out = np.empty((*y.shape, 3), np.uint8)
    planes = [plane.astype(np.float32) for plane in (y, cb, cr)]
    for channel, (*weights, offset) in enumerate(factors.astype(np.float32)):
        total = np.full(y.shape, offset, np.float32)
        for plane, weight in zip(planes, weights, strict=True):
            if weight:
                total += plane * weight
        out[..., channel] = _to_bytes(total)
    return out


def luma_to_gray(y: Bytes, range: Range) -> Bytes:
    """Gray 0..255 from a Y' plane: the plane itself where it is ``full`` range."""
    return y if range == "full" else _expanded().take(y)


def convert(image: NDArray[Any], source: PackedFormat, target: PackedFormat) -> NDArray[Any]:
    """Convert interleaved pixels between any two formats; the image itself if they are the same.

    Colour becomes gray by the luma of BT.601; 8 bits become 16 by ``* 257`` and back by rounding.
    """
    if source == target:
        return image
    if source == "gray16":
        return convert(((image.astype(np.uint32) + 128) // 257).astype(np.uint8), "gray8", target)
    if target == "gray16":
        return convert(image, source, "gray8").astype(np.uint16) * np.uint16(257)
    if source == "gray8":
        return np.repeat(image[..., None], 3, axis=2)
    return _luma(image, source) if target == "gray8" else _swap(image)


def _swap(image: Bytes) -> Bytes:
    """RGB to BGR and back."""
    cv2 = opencv()
    if cv2 is not None:
        swapped: Bytes = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return swapped
    out = np.empty(image.shape, np.uint8)
    for channel in (0, 1, 2):
        out[..., channel] = image[..., 2 - channel]
    return out


def _luma(image: Bytes, source: PackedFormat) -> Bytes:
    cv2 = opencv()
    if cv2 is not None:
        gray: Bytes = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY if source == "rgb" else cv2.COLOR_BGR2GRAY)
        return gray
    kr, kb = _LUMA["bt601"]
    weights = (kr, 1 - kr - kb, kb) if source == "rgb" else (kb, 1 - kr - kb, kr)
    total = np.zeros(image.shape[:2], np.float32)
    for channel, weight in enumerate(weights):
        total += np.multiply(image[..., channel], np.float32(weight), dtype=np.float32)
    return _to_bytes(total)


@cache
def _expanded() -> Bytes:
    """The 256 gray levels of limited-range luma."""
    return _to_bytes((np.arange(256) - 16) * (255 / 219))


def _to_bytes(values: NDArray[Any]) -> Bytes:
    clipped: Bytes = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped
