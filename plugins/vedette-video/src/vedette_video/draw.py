"""Boxes, points and labels on a picture, in numpy alone. All functions draw in place and clip at the edges.

A picture is ``(h, w, 3) uint8``, B, G, R; a colour is ``(b, g, r)``, 0..255; coordinates are pixels with ``(0, 0)`` at
the outer corner of the top-left one.
"""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vedette.vision.resample import resize
from vedette_video.font import coverage

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

MOSAIC = 5
"""Tiles across a box that is not to be seen: too few for a face to be found or told."""
SHADE = 0.45
"""How much of what a mask covers is its colour."""
DARK: Colour = (24, 24, 24)
LIGHT: Colour = (255, 255, 255)
GOLDEN_RATIO = 0.618033988749895


def colour_of(number: int) -> Colour:
    """The colour of class ``number``: always the same, neighbouring numbers far apart on the colour wheel."""
    hue = (0.4 + number * GOLDEN_RATIO) % 1.0
    value = (1.0, 0.85, 0.95)[number % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def cell_of(size_wh: tuple[int, int]) -> float:
    """The font's cell in pixels that reads well on a picture of this size: 1 for a thumbnail, 6 at 4K."""
    return max(1.0, round(min(size_wh) / 360 * 4) / 4)


def rectangle(
    picture: Picture, xyxy: tuple[float, float, float, float], colour: Colour, thickness: int
) -> None:
    """The outline of a box, drawn inwards from its edges."""
    x0, y0, x1, y1 = (round(value) for value in xyxy)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    across, down = min(thickness, x1 - x0), min(thickness, y1 - y0)
    _fill(picture, (x0, y0, x1, y0 + down), colour)
    _fill(picture, (x0, y1 - down, x1, y1), colour)
    _fill(picture, (x0, y0, x0 + across, y1), colour)
    _fill(picture, (x1 - across, y0, x1, y1), colour)


def shade(
    picture: Picture, mask: NDArray[np.uint8], xyxy: tuple[float, float, float, float], colour: Colour
) -> None:
    """A colour over the part of a box that its ``mask (h, w)``, 0..255, covers; the picture shines through."""
    x0, y0, x1, y1 = (round(value) for value in xyxy)
    if not mask.size or x1 <= x0 or y1 <= y0:
        return
    over = resize(mask, (x1 - x0, y1 - y0), "bilinear")
    left, top = max(0, -x0), max(0, -y0)
    place = picture[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    inside = over[top : top + place.shape[0], left : left + place.shape[1]] >= 128
    _mix(place, colour, inside * np.float32(SHADE))


def pixelate(picture: Picture, xyxy: tuple[float, float, float, float]) -> None:
    """A box as :data:`MOSAIC` x :data:`MOSAIC` plain tiles, each the mean of what it covers."""
    h, w = picture.shape[:2]
    x0, y0 = max(0, math.floor(xyxy[0])), max(0, math.floor(xyxy[1]))
    x1, y1 = min(w, math.ceil(xyxy[2])), min(h, math.ceil(xyxy[3]))
    if x0 >= x1 or y0 >= y1:
        return
    columns, rows = min(MOSAIC, x1 - x0), min(MOSAIC, y1 - y0)
    tiles = resize(np.ascontiguousarray(picture[y0:y1, x0:x1]), (columns, rows), "area")
    across, down = np.arange(x1 - x0) * columns // (x1 - x0), np.arange(y1 - y0) * rows // (y1 - y0)
    picture[y0:y1, x0:x1] = tiles[down[:, None], across]


def dot(picture: Picture, xy: tuple[float, float], colour: Colour, radius: float) -> None:
    """A filled circle with a dark rim, smooth at its edge."""
    h, w = picture.shape[:2]
    x0, y0 = max(0, int(xy[0] - radius - 2)), max(0, int(xy[1] - radius - 2))
    x1, y1 = min(w, int(xy[0] + radius + 3)), min(h, int(xy[1] + radius + 3))
    if x0 >= x1 or y0 >= y1:
        return
    dx = np.arange(x0, x1, dtype=np.float32) + 0.5 - xy[0]
    dy = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - xy[1]
    distance = np.hypot(dx, dy)
    place = picture[y0:y1, x0:x1]
    _mix(place, DARK, np.clip(radius + 1.5 - distance, 0, 1))
    _mix(place, colour, np.clip(radius + 0.5 - distance, 0, 1))


def label(
    picture: Picture, text: str, xyxy: tuple[float, float, float, float], colour: Colour, cell: float
) -> None:
    """A line of text on a filled tab above the box, or inside it where there is no room above."""
    tab = _tab(text, colour, cell)
    h, w = tab.shape[:2]
    x0, y0 = round(xyxy[0]), round(xyxy[1])
    top = y0 - h if y0 >= h else max(0, y0)
    left = max(0, min(x0, picture.shape[1] - w))
    _paste(picture, tab, left, top)


def note(picture: Picture, lines: list[str], cell: float) -> None:
    """Lines of text in the bottom left corner, white on dark."""
    tabs = [_tab(line, DARK, cell) for line in lines]
    top = picture.shape[0] - sum(len(tab) for tab in tabs)
    for tab in tabs:
        _paste(picture, tab, 0, top)
        top += len(tab)


def _tab(text: str, colour: Colour, cell: float) -> Picture:
    """``text`` on a filled background, ``(h, w, 3) uint8``: black or white, whichever stands out."""
    ink = coverage(text, cell)
    h, w = ink.shape
    margin = round(1.5 * cell)
    share = np.zeros((margin + h + round(0.5 * cell), margin + w + margin), np.uint8)
    share[margin : margin + h, margin : margin + w] = ink
    return _blends(colour).take(share, axis=0)


@lru_cache(maxsize=256)
def _blends(colour: Colour) -> NDArray[np.uint8]:
    """``(256, 3)``: from ``colour`` to the ink that stands out on it."""
    blue, green, red = colour
    ink = DARK if 0.114 * blue + 0.587 * green + 0.299 * red > 120 else LIGHT
    return np.linspace(colour, ink, 256).round().astype(np.uint8)


def _fill(picture: Picture, xyxy: tuple[int, int, int, int], colour: Colour) -> None:
    x0, y0, x1, y1 = (max(0, value) for value in xyxy)
    picture[y0:y1, x0:x1] = colour


def _paste(picture: Picture, tab: Picture, left: int, top: int) -> None:
    tab = tab[max(0, -top) :]
    place = picture[max(0, top) : max(0, top) + len(tab), left : left + tab.shape[1]]
    place[:] = tab[: place.shape[0], : place.shape[1]]


def _mix(place: Picture, colour: Colour, share: NDArray[np.float32]) -> None:
    """Blend ``colour`` into ``place`` by ``share (h, w)``, 0..1."""
    weight = share[:, :, None]
    place[:] = (place * (1 - weight) + np.array(colour, np.float32) * weight + 0.5).astype(np.uint8)
