"""From stored pixels to an upright picture of any size and format: crop, resize, convert, turn, in this order.

Resizing comes first after the crop, so that all else works on the small picture. The planes of a Y'CbCr image are each
resized straight to the target size. Chroma samples count as lying in the middle of the luma samples they belong to.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.frame import Kernel, Orientation, PackedFormat, Pixels, Planar, Rect
from vedette.vision.colour import convert, luma_to_gray, ycbcr_to_colour
from vedette.vision.resample import Window, resize


def render(
    pixels: Pixels,
    orientation: Orientation,
    format: PackedFormat,
    size_wh: tuple[int, int],
    kernel: Kernel,
    rect: Rect,
    window: Window | None = None,
) -> NDArray[Any]:
    """The upright pixels of ``rect``, resized to ``size_wh``.

    Parameters
    ----------
    pixels
        The stored image.
    orientation
        Clockwise turn in degrees that makes it upright.
    format
        Format of the result.
    size_wh
        Size of the result.
    kernel
        See :mod:`vedette.vision.resample`.
    rect
        ``(x, y, w, h)`` in pixels of the upright frame. Only pixels inside contribute.
    window
        The part of ``rect`` to show, where it is not bound to whole pixels. Default: all of it.

    Returns
    -------
    A new array object: ``(h, w, 3) uint8`` for ``bgr`` and ``rgb``, ``(h, w)`` for ``gray8`` (uint8) and ``gray16``
    (uint16). It may share memory with ``pixels`` where nothing had to be computed, so it must not be written to.

    With OpenCV a channel differs from numpy by at most 1 level after one resize *or* colour conversion; for a colour
    picture of a resized Y'CbCr image the levels add up through the matrix, to 5 at worst.

    Raises
    ------
    ValueError
        ``rect`` is empty or not inside the frame, or ``size_wh`` is not positive.
    """
    stored_wh = pixels.size_wh
    turned = orientation in (90, 270)
    _check(stored_wh[::-1] if turned else stored_wh, size_wh, rect)
    x, y, w, h = _stored(rect, orientation, stored_wh)
    part = (x, y, w, h) if window is None else _stored(window, orientation, stored_wh)
    stored_size = size_wh[::-1] if turned else size_wh
    if isinstance(pixels, Planar):
        picture = _render_planar(pixels, format, stored_size, kernel, (x, y, w, h), part)
    else:
        small = _sample(pixels.pixels, stored_size, kernel, (x, y, w, h), part)
        picture = convert(small, pixels.format, format)
    return np.ascontiguousarray(np.rot90(picture, -orientation // 90)) if orientation else picture


def _check(upright_wh: tuple[int, int], size_wh: tuple[int, int], rect: Rect) -> None:
    x, y, w, h = rect
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > upright_wh[0] or y + h > upright_wh[1]:
        raise ValueError(
            f"rect {rect} (x, y, w, h) must be inside the frame of {upright_wh} (w, h) and not empty"
        )
    if min(size_wh) < 1:
        raise ValueError(f"size_wh must be positive, not {size_wh}")


def _stored(rect: Window, orientation: Orientation, stored_wh: tuple[int, int]) -> Window:
    """Where a part of the upright picture lies in the stored one."""
    x, y, w, h = rect
    stored_w, stored_h = stored_wh
    if orientation == 90:
        return (y, stored_h - x - w, h, w)
    if orientation == 180:
        return (stored_w - x - w, stored_h - y - h, w, h)
    if orientation == 270:
        return (stored_w - y - h, x, h, w)
    return rect


def _sample(
    plane: NDArray[Any], size_wh: tuple[int, int], kernel: Kernel, rect: Window, window: Window
) -> NDArray[Any]:
    """Crop to the pixels that ``rect`` touches and resize ``window``."""
    left, top = floor(rect[0]), floor(rect[1])
    crop = plane[top : ceil(rect[1] + rect[3]), left : ceil(rect[0] + rect[2])]
    return resize(crop, size_wh, kernel, (window[0] - left, window[1] - top, window[2], window[3]))


def _render_planar(
    image: Planar,
    format: PackedFormat,
    size_wh: tuple[int, int],
    kernel: Kernel,
    rect: Window,
    window: Window,
) -> NDArray[Any]:
    y = _sample(_luma_plane(image), size_wh, kernel, rect, window)
    if format in ("gray8", "gray16"):
        return convert(luma_to_gray(y, image.range), "gray8", format)
    rows = 1 if image.format == "yuyv" else 2
    rect, window = _subsampled(rect, rows), _subsampled(window, rows)
    chroma = [_sample(plane, size_wh, kernel, rect, window) for plane in _chroma_planes(image)]
    cb, cr = chroma if len(chroma) == 2 else (chroma[0][..., 0], chroma[0][..., 1])
    return ycbcr_to_colour(y, cb, cr, image.matrix, image.range, format)


def _subsampled(rect: Window, rows: int) -> Window:
    x, y, w, h = rect
    return (x / 2, y / rows, w / 2, h / rows)


def _luma_plane(image: Planar) -> NDArray[np.uint8]:
    return image.planes[0][..., 0] if image.format == "yuyv" else image.planes[0]


def _chroma_planes(image: Planar) -> tuple[NDArray[np.uint8], ...]:
    """Cb and Cr, or one plane ``(h, w, 2)`` of both."""
    if image.format != "yuyv":
        return image.planes[1:]
    h, w = image.planes[0].shape[:2]
    return (image.planes[0].reshape(h, w // 2, 4)[..., 1::2],)
