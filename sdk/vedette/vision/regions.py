"""The pixels of a region of interest, wherever it lies in a frame, or beside it."""

from __future__ import annotations

from math import ceil, floor, isfinite

import numpy as np
from numpy.typing import NDArray

from vedette.errors import PipelineError
from vedette.frame import Frame, Kernel, PackedFormat, Rect
from vedette.specs import Affine, Roi
from vedette.vision.geometry import apply, compose, scale_translate
from vedette.vision.resample import Window, resize
from vedette.vision.views import render
from vedette.vision.warp import warp

Bytes = NDArray[np.uint8]
Pad = tuple[int, ...]
"""The colour outside the frame: 0..255 per channel."""

_MAX_CANVAS = 1 << 26
"""Pixels of a region that reaches over the frame's edge and so is laid out unscaled: 200 MB of colour."""


def upright_rect(frame: Frame, roi: Roi) -> Rect | None:
    """The whole pixels of an upright region, or ``None`` if it is turned, sheared or mirrored.

    Its corners are rounded to the nearest pixel corner, halves up; it has at least one pixel.

    Raises
    ------
    PipelineError
        The region is not finite, or has no size.
    """
    (a, b, x), (c, d, y) = roi.affine.tolist()
    w, h = roi.size_wh
    upright = b == 0 and c == 0 and a > 0 and d > 0
    empty = min(w, h) < 0 or (not upright and min(w, h) == 0)
    if empty or not all(isfinite(value) for value in (a, b, c, d, x, y, w, h)):
        raise PipelineError(
            f"stream {frame.stream!r}, ticket {frame.ticket}: a region of size {(w, h)} and affine "
            f"{[[a, b, x], [c, d, y]]} is empty or not finite",
            fix="correct the decoder or stage that makes the regions",
        )
    if not upright:
        return None
    left, top = round_half_up(x), round_half_up(y)
    return left, top, max(round_half_up(x + a * w) - left, 1), max(round_half_up(y + d * h) - top, 1)


def sample_upright(
    frame: Frame,
    rect: Rect,
    size_wh: tuple[int, int],
    format: PackedFormat,
    kernel: Kernel,
    pad: Pad,
    window: Window | None = None,
) -> Bytes:
    """Resize ``rect`` to ``size_wh``, or only the ``window`` (in frame pixels) of it.

    ``rect`` may reach over the frame's edge: it is then resized as though the frame went on in the colour ``pad``. A
    picture of the whole frame is shared with everybody who wants the same, so the result must not be written to.

    Raises
    ------
    PipelineError
        ``rect`` reaches over the edge and is too large to be padded.
    """
    if rect == (0, 0, *frame.size_wh) and window is None:
        return _bytes(frame.view(format, size_wh, kernel))
    if _visible(rect, frame) == rect:
        return _bytes(render(frame.pixels(), frame.orientation, format, size_wh, kernel, rect, window))
    if window is not None:
        window = (window[0] - rect[0], window[1] - rect[1], window[2], window[3])
    return _bytes(resize(_canvas(frame, rect, format, pad), size_wh, kernel, window))


def sample_turned(
    frame: Frame, affine: Affine, size_wh: tuple[int, int], format: PackedFormat, pad: Pad
) -> Bytes:
    """Sample the frame bilinearly where ``affine`` (result to frame) says; outside the frame lies ``pad``."""
    w, h = size_wh
    corners = apply(affine, np.array([[0, 0], [w, 0], [0, h], [w, h]], np.float64))
    left, top = (floor(value) - 1 for value in corners.min(axis=0).tolist())
    right, bottom = (ceil(value) + 1 for value in corners.max(axis=0).tolist())
    x, y, width, height = visible = _visible((left, top, right - left, bottom - top), frame)
    if width <= 0 or height <= 0:
        return _blank(w, h, pad)
    return warp(_native(frame, visible, format), compose(scale_translate(1, 1, -x, -y), affine), size_wh, pad)


def round_half_up(value: float) -> int:
    """The nearest integer; of two, the greater."""
    return floor(value + 0.5)


def _canvas(frame: Frame, rect: Rect, format: PackedFormat, pad: Pad) -> Bytes:
    """``rect`` unscaled, with ``pad`` where it is outside the frame."""
    x, y, w, h = rect
    if w * h > _MAX_CANVAS:
        raise PipelineError(
            f"stream {frame.stream!r}, ticket {frame.ticket}: region {rect} (x, y, w, h) reaches over the edge of the "
            f"frame {frame.size_wh} and is too large to be padded",
            fix="clip regions to the frame",
        )
    canvas = _blank(w, h, pad)
    left, top, width, height = visible = _visible(rect, frame)
    if width > 0 and height > 0:
        canvas[top - y : top - y + height, left - x : left - x + width] = _native(frame, visible, format)
    return canvas


def _visible(rect: Rect, frame: Frame) -> Rect:
    """The part of ``rect`` inside the frame; width or height is not positive where there is none."""
    x, y = max(rect[0], 0), max(rect[1], 0)
    return x, y, min(rect[0] + rect[2], frame.size_wh[0]) - x, min(rect[1] + rect[3], frame.size_wh[1]) - y


def _native(frame: Frame, rect: Rect, format: PackedFormat) -> Bytes:
    return _bytes(render(frame.pixels(), frame.orientation, format, rect[2:], "bilinear", rect))


def _blank(width: int, height: int, pad: Pad) -> Bytes:
    if len(pad) == 1:
        return np.full((height, width), pad[0], np.uint8)
    return np.full((height, width, len(pad)), pad, np.uint8)


def _bytes(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Bytes:
    assert pixels.dtype == np.uint8
    return pixels  # type: ignore[return-value]  # no input specification asks for gray16
