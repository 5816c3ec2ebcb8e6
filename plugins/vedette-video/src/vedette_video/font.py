"""Text as pixels: Vedette's own font, smooth at every size, with no font file and no library.

Each glyph is drawn on a grid five cells wide and nine high (seven above the baseline, two below). Lit neighbours are
joined by strokes with round ends, and what a pixel gets is its distance to the nearest stroke: so the same few cells
give crisp pixels on a thumbnail and round, anti-aliased letters on a 4K picture.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS, ADVANCE = 5, 9, 6
"""Cells of a glyph, and from one glyph to the next."""
STROKE = 0.5
"""Half the width of a stroke, in cells."""

Segment = tuple[int, int, int, int]


def line_size(text: str, cell: float) -> tuple[int, int]:
    """``(w, h)`` in pixels of what :func:`coverage` gives for ``text``."""
    return max(1, len(text)) * round(ADVANCE * cell), round(ROWS * cell)


def coverage(text: str, cell: float) -> NDArray[np.uint8]:
    """How much of each pixel a line of text covers: ``(h, w) uint8``, 0..255.

    ``cell`` is the size of a cell in pixels. Letters with marks lose them; what the font lacks becomes ``?``.
    """
    return np.hstack([_glyph(char, cell) for char in plain(text) or " "])


def plain(text: str) -> str:
    """``text`` in the characters that the font has, as many as before.

    >>> plain("Müller ✓")
    'Muller ?'
    """
    return "".join(_plain(char) for char in text)


def _plain(char: str) -> str:
    base = unicodedata.normalize("NFKD", char)[0]
    return base if base in _GLYPHS else "?"


@lru_cache(maxsize=1024)
def _glyph(char: str, cell: float) -> NDArray[np.uint8]:
    width, height = line_size(char, cell)
    x = (np.arange(width, dtype=np.float32) + 0.5) / cell - 0.5
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / cell - 0.5
    distance = np.full((height, width), np.inf, np.float32)
    for segment in _segments(_GLYPHS[char]):
        np.minimum(distance, _distance(x, y, segment), out=distance)
    covered: NDArray[np.uint8] = np.rint(np.clip((STROKE - distance) * cell + 0.5, 0, 1) * 255).astype(
        np.uint8
    )
    return covered


def _segments(cells: frozenset[tuple[int, int]]) -> list[Segment]:
    """The strokes of a glyph: each lit cell joined to its lit neighbours, diagonally where there is no way around."""
    found: list[Segment] = []
    for x, y in cells:
        found.append((x, y, x, y))
        found += [(x, y, *end) for end in ((x + 1, y), (x, y + 1)) if end in cells]
        for step in (-1, 1):
            if (x + step, y + 1) in cells and not {(x + step, y), (x, y + 1)} & cells:
                found.append((x, y, x + step, y + 1))
    return found


def _distance(x: NDArray[np.float32], y: NDArray[np.float32], segment: Segment) -> NDArray[np.float32]:
    """Distance of every pixel to a stroke, in cells."""
    x0, y0, x1, y1 = segment
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1), 0, 1)
    return np.hypot(x - x0 - along * dx, y - y0 - along * dy)


_DRAWING = """
..... ..#.. .#.#. ..... ..#.. ##..# .##.. ..#.. ...#. .#... ..... ..... ..... ..... ..... ....#
..... ..#.. .#.#. .#.#. .#### ##.#. #..#. ..#.. ..#.. ..#.. #.#.# ..#.. ..... ..... ..... ...#.
..... ..#.. ..... ##### #.#.. ..#.. #.#.. ..... .#... ...#. .###. ..#.. ..... ..... ..... ...#.
..... ..#.. ..... .#.#. .###. ..#.. .#... ..... .#... ...#. ##### ##### ..... .###. ..... ..#..
..... ..... ..... ##### ..#.# ..#.. #.#.# ..... .#... ...#. .###. ..#.. ..... ..... ..... .#...
..... ..... ..... .#.#. ####. .#.## #..#. ..... ..#.. ..#.. #.#.# ..#.. ..#.. ..... ..... .#...
..... ..#.. ..... ..... ..#.. #..## .##.# ..... ...#. .#... ..... ..... ..#.. ..... ..#.. #....
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... .....
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

.###. ..#.. .###. .###. ...#. ##### .###. ##### .###. .###. ..... ..... ...#. ..... .#... .###.
#...# .##.. #...# #...# ..##. #.... #.... ....# #...# #...# ..... ..... ..#.. ..... ..#.. #...#
#...# ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...# ..#.. ..#.. .#... ##### ...#. ....#
#...# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .#### ..... ..... #.... ..... ....# ...#.
#...# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....# ..... ..... .#... ##### ...#. ..#..
#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ....# ..... ..#.. ..#.. ..... ..#.. .....
.###. .###. ##### .###. ...#. .###. .###. ..#.. .###. .###. ..#.. ..#.. ...#. ..... .#... ..#..
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... ..... .....
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

.###. ..#.. ####. .###. ####. ##### ##### .###. #...# .###. ....# #...# #.... #...# #...# ..#..
#...# .#.#. #...# #...# #...# #.... #.... #...# #...# ..#.. ....# #..#. #.... ##.## ##..# .#.#.
#.### #...# #...# #.... #...# #.... #.... #.... #...# ..#.. ....# #.#.. #.... #.#.# ##..# #...#
#.#.# #...# ####. #.... #...# ####. ####. #.### ##### ..#.. ....# ##... #.... #.#.# #.#.# #...#
#.### ##### #...# #.... #...# #.... #.... #...# #...# ..#.. ....# #.#.. #.... #...# #..## #...#
#.... #...# #...# #...# #...# #.... #.... #...# #...# ..#.. #...# #..#. #.... #...# #..## .#.#.
.###. #...# ####. .###. ####. ##### #.... .###. #...# .###. .###. #...# ##### #...# #...# ..#..
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

####. .###. ####. .###. ##### #...# #...# #...# #...# #...# ##### .###. #.... .###. ..#.. .....
#...# #...# #...# #...# ..#.. #...# #...# #...# #...# #...# ....# .#... .#... ...#. .#.#. .....
#...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#. .#... .#... ...#. #...# .....
####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#.. .#... ..#.. ...#. ..... .....
#.... #.#.# #.#.. ....# ..#.. #...# .#.#. #.#.# .#.#. ..#.. .#... .#... ...#. ...#. ..... .....
#.... #..#. #..#. #...# ..#.. #...# .#.#. ##.## #...# ..#.. #.... .#... ...#. ...#. ..... .....
#.... .##.# #...# .###. ..#.. .###. ..#.. #...# #...# ..#.. ##### .###. ....# .###. ..... .....
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... #####
..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

.#... ..... #.... ..... ....# ..... ..##. ..... #.... ..#.. ...#. #.... .##.. ..... ..... .....
..#.. ..... #.... ..... ....# ..... .#... ..... #.... ..... ..... #.... ..#.. ..... ..... .....
..... .###. ####. .###. .#### .###. ####. .#### ####. .##.. ..##. #..#. ..#.. ##.#. ####. .###.
..... ....# #...# #...# #...# #...# .#... #...# #...# ..#.. ...#. #.#.. ..#.. #.#.# #...# #...#
..... .#### #...# #.... #...# ##### .#... #...# #...# ..#.. ...#. ##... ..#.. #.#.# #...# #...#
..... #...# #...# #...# #...# #.... .#... #...# #...# ..#.. ...#. #.#.. ..#.. #.#.# #...# #...#
..... .#### ####. .###. .#### .###. .#... .#### #...# .###. ...#. #..#. ...#. #.#.# #...# .###.
..... ..... ..... ..... ..... ..... ..... ....# ..... ..... ...#. ..... ..... ..... ..... .....
..... ..... ..... ..... ..... ..... ..... .###. ..... ..... .##.. ..... ..... ..... ..... .....

..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ...## ..#.. ##... .....
..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ..#.. ..#.. ..#.. .....
####. .#### #.##. .#### ####. #...# #...# #...# #...# #...# ##### ..#.. ..#.. ..#.. .#...
#...# #...# ##..# #.... .#... #...# #...# #...# .#.#. #...# ...#. .#... ..#.. ...#. #.#.#
#...# #...# #.... .###. .#... #...# #...# #.#.# ..#.. .#.#. ..#.. ..#.. ..#.. ..#.. ...#.
#...# #...# #.... ....# .#... #...# .#.#. #.#.# .#.#. .#.#. .#... ..#.. ..#.. ..#.. .....
####. .#### #.... ####. ..##. .#### ..#.. .#.#. #...# ..#.. ##### ...## ..#.. ##... .....
#.... ....# ..... ..... ..... ..... ..... ..... ..... ..#.. ..... ..... ..... ..... .....
#.... ....# ..... ..... ..... ..... ..... ..... ..... ##... ..... ..... ..... ..... .....
"""
"""The glyphs from space to tilde, sixteen in a row."""


def _read(drawing: str) -> dict[str, frozenset[tuple[int, int]]]:
    glyphs = {}
    code = ord(" ")
    for band in drawing.strip("\n").split("\n\n"):
        rows = [line.split(" ") for line in band.splitlines()]
        for column in range(len(rows[0])):
            lit = {(x, y) for y in range(ROWS) for x in range(COLUMNS) if rows[y][column][x] == "#"}
            glyphs[chr(code)] = frozenset(lit)
            code += 1
    return glyphs


_GLYPHS = _read(_DRAWING)
