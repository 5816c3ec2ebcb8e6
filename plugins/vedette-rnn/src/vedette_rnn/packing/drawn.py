"""What the goldens of these models are recorded from: tracks and scenes that are drawn from a seed, with everything in
them that such networks look at. Nobody's footage enters a bundle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.pack_program import Moment
from vedette.bundle.samples import encode_png
from vedette_rnn.results import RelativePoints

LEG = 10
"""Points of each part of a drawn track."""
TURN = 0.45
"""Of a circle, in radians per point."""
SIZE_WH = (160, 120)


def drawn_track(role: str) -> list[Moment]:
    """A point that rests, goes round one way, along a line and round the other way; ``role`` gives it to the model."""
    return [
        Moment(results={role: RelativePoints(xy=point[None].astype(np.float32))}) for point in track_points()
    ]


def track_points() -> NDArray[np.float64]:
    """``(4 * LEG, 2)``: x, y in parts of the picture, a little unsteady as a hand is."""
    rng = np.random.default_rng(0)
    at = np.array([0.5, 0.5])
    points = []
    for leg in ("rest", "round", "line", "back"):
        for step in range(LEG):
            angle = TURN * step * (1 if leg == "round" else -1)
            way = {"rest": (0.0, 0.0), "line": (0.02, -0.008)}.get(leg, (np.cos(angle), np.sin(angle)))
            at = at + np.array(way) * (0.03 if leg in ("round", "back") else 1.0)
            points.append(at + rng.normal(0, 0.001, 2))
    return np.array(points)


def drawn_scene(count: int) -> list[Moment]:
    """Pictures of boxes that cross each other in front of a shaded wall, slow at first, then fast."""
    return [Moment(picture=encode_png(picture)) for picture in _scene(count)]


def _scene(count: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    w, h = SIZE_WH
    wall = np.linspace(60, 140, w)[None, :] + np.linspace(-20, 20, h)[:, None]
    for number in range(count):
        picture = wall + rng.normal(0, 2, wall.shape)
        for box in range(4):
            pace = (2 + 3 * box) * (1 + number / count)
            x = int(20 * box + pace * number * (-1) ** box) % (w - 24)
            y = 12 + 24 * box + int(8 * np.sin(number * pace / 12))
            picture[y : y + 20, x : x + 22] = 30 + 60 * box
        yield np.rint(picture).clip(0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
