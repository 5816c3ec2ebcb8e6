"""Anomalies that are staged in normal footage, to choose by without looking at what is to be measured in the end.

A patch that moves in the footage (a walker) is cut out of one frame, and put into the others so that it crosses the
picture several times faster than it walked, as bicycles and carts do. Sizes, speeds, places and opacities are drawn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vedette_anomaly.recipes.footage import Footage

SIZES_WH = ((18, 40), (30, 44), (56, 40))
SPEED = (2.0, 4.0)
"""Pixels per frame; walkers of this footage move by one to two."""
OPACITY = (0.35, 0.8)
BEGIN = 10


def staged(footage: Footage, number: int) -> tuple[Footage, NDArray[np.bool_]]:
    """``footage`` with one anomaly in it, drawn by ``number``, and in which frames it can be seen."""
    rng = np.random.default_rng(number)
    frames = np.stack(footage.frames)[:, 0].astype(np.float32)
    n, height, width = frames.shape
    w, h = SIZES_WH[number % len(SIZES_WH)]
    patch, top = _walker(frames, w, h, rng)
    opacity = _ellipse(w, h) * rng.uniform(*OPACITY)
    speed = rng.uniform(*SPEED) * rng.choice([-1, 1])
    steps = int((width + w) / abs(speed))
    begin = int(rng.integers(BEGIN, max(BEGIN + 1, n - steps)))
    top = int(np.clip(top + rng.integers(-20, 21), 0, height - h))
    seen = np.zeros(n, np.bool_)
    for at in range(begin, min(begin + steps, n)):
        left = round(-w + speed * (at - begin) if speed > 0 else width + speed * (at - begin))
        x0, x1 = max(left, 0), min(left + w, width)
        if x1 > x0:
            cover = opacity[:, x0 - left : x1 - left]
            piece = frames[at, top : top + h, x0:x1]
            piece += cover * (patch[:, x0 - left : x1 - left] - piece)
            seen[at] = (x1 - x0) >= 0.6 * w
    made = np.rint(frames).astype(np.uint8)[:, None]
    return replace(footage, frames=list(made)), seen


def _walker(frames: NDArray[np.float32], w: int, h: int, rng: Generator) -> tuple[NDArray[np.float32], int]:
    """A patch around much motion, and its top."""
    at = int(rng.integers(5, len(frames)))
    motion = np.abs(frames[at] - frames[at - 3])
    places = [
        (int(rng.integers(0, motion.shape[0] - h)), int(rng.integers(0, motion.shape[1] - w)))
        for _ in range(300)
    ]
    top, left = max(places, key=lambda place: motion[place[0] : place[0] + h, place[1] : place[1] + w].sum())
    return frames[at, top : top + h, left : left + w].copy(), top


def _ellipse(w: int, h: int) -> NDArray[np.float32]:
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    soft: NDArray[np.float32] = np.clip((1 - np.sqrt(x**2 + y**2)) * 4, 0, 1).astype(np.float32)
    return soft
