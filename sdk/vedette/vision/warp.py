"""Sampling of a turned, sheared or mirrored region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.vision.accelerator import opencv
from vedette.vision.geometry import Affine

Bytes = NDArray[np.uint8]


def warp(image: Bytes, affine: Affine, size_wh: tuple[int, int], border: tuple[int, ...]) -> Bytes:
    """Sample ``image`` bilinearly at the places that ``affine`` sends the output's pixel centres to.

    Each output is the mean of the four nearest pixels, weighted by distance, without antialiasing; beyond its edge the
    image goes on in the colour ``border``. Computed in float32, rounded half to even. OpenCV 5 does the work where
    it is installed and differs by at most 1 level a channel; earlier ones round positions to 1/32 pixel: not used.

    Parameters
    ----------
    image
        ``(h, w, 3)`` or ``(h, w) uint8``.
    affine
        ``(2, 3) float64``: continuous coordinates of the output to those of ``image``.
    size_wh
        Size of the result.
    border
        0..255 per channel.

    Returns
    -------
    ``(size_wh[1], size_wh[0], ...) uint8``.
    """
    centres = affine.copy()
    centres[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    cv2 = opencv()
    if cv2 is not None and int(cv2.__version__.split(".")[0]) >= 5:
        warped: Bytes = cv2.warpAffine(
            image,
            centres,
            size_wh,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )
        return warped
    return _warp(image, centres, size_wh, border)


def _warp(image: Bytes, centres: Affine, size_wh: tuple[int, int], border: tuple[int, ...]) -> Bytes:
    h, w = image.shape[:2]
    columns, rows = np.arange(size_wh[0]), np.arange(size_wh[1])[:, None]
    x = centres[0, 0] * columns + centres[0, 1] * rows + centres[0, 2]
    y = centres[1, 0] * columns + centres[1, 1] * rows + centres[1, 2]
    # A frame of two border pixels makes every tap valid: places further out are all border.
    x, y = np.clip(x, -2, w), np.clip(y, -2, h)
    framed = np.empty((h + 4, w + 4, *image.shape[2:]), np.uint8)
    framed[...] = np.array(border, np.uint8) if image.ndim == 3 else border[0]
    framed[2:-2, 2:-2] = image
    left, top = np.floor(x), np.floor(y)
    dx, dy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    if image.ndim == 3:
        dx, dy = dx[..., None], dy[..., None]
    pixels = framed.reshape((h + 4) * (w + 4), *image.shape[2:])
    first = ((top + 2) * (w + 4) + left + 2).astype(np.intp)
    upper = _lerp(pixels, first, dx)
    lower = _lerp(pixels, first + w + 4, dx)
    lower -= upper
    lower *= dy
    upper += lower
    np.rint(upper, out=upper)
    return upper.astype(np.uint8)


def _lerp(pixels: Bytes, first: NDArray[np.intp], fraction: NDArray[np.float32]) -> NDArray[np.float32]:
    left = pixels.take(first, axis=0).astype(np.float32)
    right = pixels.take(first + 1, axis=0).astype(np.float32)
    right -= left
    right *= fraction
    right += left
    return right
