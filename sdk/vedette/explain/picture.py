"""A map laid over its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.explain.saliency import Box, Saliency
from vedette.frame import Frame, Rect

LONGEST = 480
"""Pixels of the longer side of a picture with a map."""
_OPAQUE = 0.7
_COLOURS = np.array(
    [[20, 20, 90], [110, 30, 140], [210, 60, 80], [250, 150, 20], [255, 250, 120]], np.float64
)
"""From nothing to the maximum, RGB; brightness rises all the way, so that a grey copy can be read, too."""
_BOX = (255, 255, 255)


def overlay(frame: Frame, saliency: Saliency, longest: int = LONGEST) -> NDArray[np.uint8]:
    """The part of a frame that a map covers, as ``(h, w, 3) uint8`` RGB whose longer side is at most ``longest``, with
    the map in colour over it and the box of a detection in white.

    What speaks against the answer is not shown; colours are relative to the map's maximum.

    Raises
    ------
    SourceError
        The frame cannot be decoded.
    """
    rect = _whole(saliency.extent)
    factor = min(1.0, longest / max(rect[2:]))
    size_wh = max(1, round(rect[2] * factor)), max(1, round(rect[3] * factor))
    picture = frame.view("rgb", size_wh, "area", rect).astype(np.float64)
    shown: Box = (rect[0], rect[1], rect[0] + rect[2], rect[1] + rect[3])
    heat = saliency.on_grid(shown, size_wh).clip(min=0).astype(np.float64)
    heat /= max(float(heat.max()), 1e-12)
    opacity = _OPAQUE * np.sqrt(heat)[..., None]
    mixed: NDArray[np.uint8] = np.rint(picture * (1 - opacity) + _coloured(heat) * opacity).astype(np.uint8)
    if saliency.target.xyxy is not None:
        _outline(mixed, saliency.target.xyxy, shown)
    return mixed


def _whole(extent: Box) -> Rect:
    x0, y0, x1, y1 = np.floor(extent[0]), np.floor(extent[1]), np.ceil(extent[2]), np.ceil(extent[3])
    return int(x0), int(y0), max(1, int(x1 - x0)), max(1, int(y1 - y0))


def _coloured(heat: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(heat, places, channel) for channel in _COLOURS.T], axis=-1)


def _outline(picture: NDArray[np.uint8], xyxy: Box, shown: Box) -> None:
    height, width = picture.shape[:2]
    scale_x, scale_y = width / (shown[2] - shown[0]), height / (shown[3] - shown[1])
    x0, x1 = (int(np.clip((x - shown[0]) * scale_x, 0, width - 1)) for x in (xyxy[0], xyxy[2]))
    y0, y1 = (int(np.clip((y - shown[1]) * scale_y, 0, height - 1)) for y in (xyxy[1], xyxy[3]))
    picture[y0 : y1 + 1, [x0, x1]] = _BOX
    picture[[y0, y1], x0 : x1 + 1] = _BOX
