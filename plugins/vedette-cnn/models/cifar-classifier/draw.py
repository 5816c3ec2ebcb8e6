"""Draw the samples of this model: small scenes, so that goldens need no picture of the data set.

    python plugins/vedette-cnn/models/cifar-classifier/draw.py FOLDER

Numpy alone, no randomness but that of fixed seeds: the same bytes everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.samples import encode_png

SIDE, FINE = 32, 8
"""Pixels of a picture, and how many parts of each are drawn and then averaged."""

Mask = NDArray[np.bool_]
Canvas = NDArray[np.float64]
Y, X = (np.mgrid[: SIDE * FINE, : SIDE * FINE] + 0.5) / FINE


def _disc(x: float, y: float, rx: float, ry: float | None = None) -> Mask:
    inside: Mask = ((X - x) / rx) ** 2 + ((Y - y) / (ry or rx)) ** 2 < 1
    return inside


def _box(x0: float, y0: float, x1: float, y1: float) -> Mask:
    inside: Mask = (x0 < X) & (x1 > X) & (y0 < Y) & (y1 > Y)
    return inside


def _polygon(*points: tuple[float, float]) -> Mask:
    """Convex, its corners clockwise as one sees them."""
    inside = np.ones_like(X, bool)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        inside &= (x1 - x0) * (Y - y0) - (y1 - y0) * (X - x0) > 0
    return inside


def _backdrop(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Canvas:
    """From one colour to another, downwards."""
    along = (Y / SIDE)[..., None]
    canvas: Canvas = np.array(top) * (1 - along) + np.array(bottom) * along
    return canvas


def _paint(canvas: Canvas, mask: Mask, colour: tuple[int, int, int]) -> None:
    canvas[mask] = colour


def _airplane(c: Canvas) -> None:
    _paint(c, _disc(16, 16, 13, 2.2), (225, 228, 235))
    _paint(c, _polygon((14, 15), (19, 15), (11, 25), (8, 25)), (190, 195, 205))
    _paint(c, _polygon((8, 8), (10, 8), (17, 15), (13, 15)), (205, 208, 216))
    _paint(c, _polygon((3, 9), (6, 9), (8, 15), (4, 15)), (60, 80, 140))


def _automobile(c: Canvas) -> None:
    _paint(c, _box(3, 15, 29, 23), (190, 30, 35))
    _paint(c, _polygon((9, 9), (22, 9), (26, 15), (6, 15)), (170, 25, 30))
    _paint(c, _polygon((10, 10), (15, 10), (15, 15), (8, 15)), (150, 190, 215))
    for x in (9, 23):
        _paint(c, _disc(x, 23, 3.6), (25, 25, 28))
        _paint(c, _disc(x, 23, 1.6), (150, 150, 155))


def _bird(c: Canvas) -> None:
    _paint(c, _disc(15, 18, 8, 5), (120, 85, 55))
    _paint(c, _disc(23, 12, 3.6), (135, 95, 60))
    _paint(c, _polygon((26, 11), (30, 12.5), (26, 14)), (230, 160, 40))
    _paint(c, _polygon((2, 14), (9, 16), (8, 20)), (95, 65, 45))
    _paint(c, _box(14, 22, 15, 28) | _box(17, 22, 18, 28), (90, 60, 40))


def _cat(c: Canvas) -> None:
    _paint(c, _disc(16, 18, 10, 9), (150, 130, 110))
    _paint(c, _polygon((6, 6), (13, 10), (8, 16)) | _polygon((26, 6), (24, 16), (19, 10)), (140, 118, 98))
    _paint(c, _disc(12, 16, 2, 2.4) | _disc(20, 16, 2, 2.4), (190, 210, 90))
    _paint(c, _disc(12, 16, 0.8, 2) | _disc(20, 16, 0.8, 2), (20, 20, 20))
    _paint(c, _polygon((14.5, 20), (17.5, 20), (16, 22)), (215, 130, 130))


def _deer(c: Canvas) -> None:
    _paint(c, _disc(14, 17, 9, 5), (150, 100, 60))
    _paint(c, _polygon((20, 9), (24, 9), (23, 18), (18, 18)), (145, 95, 55))
    _paint(c, _disc(24, 8, 3.4, 2.4), (150, 100, 60))
    for x in (8, 11, 18, 21):
        _paint(c, _box(x, 19, x + 1.4, 29), (110, 72, 42))
    _paint(c, _box(22, 1, 22.8, 6) | _box(25, 1, 25.8, 6) | _box(20, 2.4, 28, 3.2), (95, 70, 45))


def _dog(c: Canvas) -> None:
    _paint(c, _disc(16, 18, 9, 10), (205, 165, 110))
    _paint(c, _disc(7, 15, 3, 7) | _disc(25, 15, 3, 7), (130, 90, 50))
    _paint(c, _disc(12.5, 14, 1.5) | _disc(19.5, 14, 1.5), (25, 20, 18))
    _paint(c, _disc(16, 22, 5, 4), (235, 215, 185))
    _paint(c, _disc(16, 19.5, 2.1, 1.5), (30, 25, 25))


def _frog(c: Canvas) -> None:
    _paint(c, _disc(16, 20, 11, 7), (85, 140, 50))
    _paint(c, _disc(10, 12, 3.4) | _disc(22, 12, 3.4), (95, 150, 55))
    _paint(c, _disc(10, 12, 1.7) | _disc(22, 12, 1.7), (20, 25, 15))
    _paint(c, _disc(16, 23, 7, 1), (50, 85, 35))
    _paint(c, _disc(6, 26, 4, 2) | _disc(26, 26, 4, 2), (75, 125, 45))


def _horse(c: Canvas) -> None:
    _paint(c, _disc(13, 16, 9, 5), (95, 55, 35))
    _paint(c, _polygon((19, 5), (25, 6), (22, 17), (16, 16)), (100, 58, 36))
    _paint(c, _polygon((22, 4), (30, 9), (28, 12), (21, 8)), (105, 62, 38))
    _paint(c, _polygon((18, 3), (21, 4), (18, 14), (15, 13)), (35, 22, 18))
    for x in (6, 9, 16, 19):
        _paint(c, _box(x, 18, x + 1.8, 29), (80, 46, 30))


def _ship(c: Canvas) -> None:
    _paint(c, _box(0, 22, 32, 32), (30, 75, 125))
    _paint(c, _polygon((2, 18), (30, 18), (26, 25), (6, 25)), (45, 45, 55))
    _paint(c, _box(9, 12, 22, 18), (235, 235, 235))
    _paint(c, _box(16, 5, 19, 12), (195, 50, 45))
    _paint(c, _box(2, 18, 30, 19), (200, 60, 50))


def _truck(c: Canvas) -> None:
    _paint(c, _box(2, 8, 21, 22), (225, 225, 215))
    _paint(c, _box(22, 12, 30, 22), (40, 85, 165))
    _paint(c, _box(25, 13.5, 29, 17), (165, 200, 220))
    for x in (7, 15, 26):
        _paint(c, _disc(x, 23, 3), (25, 25, 28))


SCENES: tuple[tuple[Callable[[Canvas], None], tuple[int, int, int], tuple[int, int, int]], ...] = (
    (_airplane, (95, 150, 220), (180, 205, 235)),
    (_automobile, (185, 195, 200), (105, 105, 108)),
    (_bird, (160, 200, 225), (120, 150, 95)),
    (_cat, (95, 80, 90), (150, 130, 125)),
    (_deer, (120, 145, 85), (95, 120, 60)),
    (_dog, (110, 140, 100), (80, 105, 70)),
    (_frog, (105, 95, 75), (60, 75, 45)),
    (_horse, (170, 190, 200), (110, 135, 75)),
    (_ship, (165, 200, 230), (200, 220, 235)),
    (_truck, (175, 190, 205), (110, 110, 112)),
)


def draw(folder: Path) -> None:
    """Write a picture of each scene."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (scene, top, bottom) in enumerate(SCENES):
        canvas = _backdrop(top, bottom)
        scene(canvas)
        mean = canvas.reshape(SIDE, FINE, SIDE, FINE, 3).mean(axis=(1, 3))
        grain = np.random.default_rng(number).normal(0, 3, mean.shape)
        picture = np.rint(mean + grain).clip(0, 255).astype(np.uint8)
        (folder / f"{scene.__name__[1:]}.png").write_bytes(encode_png(picture))


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
