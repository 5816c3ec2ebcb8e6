"""The six kinds of defects of DeepPCB, drawn with a brush at places where each of them can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from belt.copper import Field, Point
from belt.layout import Layout

KINDS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
MARGIN = (8, 11)
"""A box reaches so many pixels over what is wrong, as in the annotations of DeepPCB."""
APART = 30
"""Pixels between two boxes, at least, and to the edge of the board."""
TRIES = 60

Random = np.random.Generator
Finished = NDArray[np.bool_]


@dataclass(frozen=True)
class Defect:
    """What is wrong and where: a box ``(x0, y0, x1, y1)`` in pixels of the board."""

    kind: str
    xyxy: tuple[float, float, float, float]


def spoil(random: Random, layout: Layout, copper: Finished, count: int) -> list[Defect]:
    """Draw up to ``count`` defects into ``copper``, each kind about as often."""
    made: list[Defect] = []
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    random.shuffle(kinds)
    for kind in kinds:
        for brush in _places(random, layout, kind):
            spoilt = copper.copy()
            spoilt[brush < 0] = kind in ("short", "spur", "copper")
            box = _box(random, spoilt != copper)
            if box is not None and _free(box, made, copper.shape) and _looks_right(kind, layout, brush):
                copper[:] = spoilt
                made.append(Defect(kind, box))
                break
    return made


def _places(random: Random, layout: Layout, kind: str) -> Iterator[Field]:
    """Brush strokes that might do."""
    draw: Callable[[Random, Layout], Field | None] = {
        "open": _across_a_track,
        "short": _between_conductors,
        "mousebite": lambda random, layout: _at_an_edge(random, layout, inward=True),
        "spur": lambda random, layout: _at_an_edge(random, layout, inward=False),
        "copper": lambda random, layout: _alone(random, layout, layout.taken, (17, 60)),
        "pin-hole": lambda random, layout: _alone(random, layout, -layout.copper, (8, 60)),
    }[kind]
    for _ in range(TRIES):
        brush = draw(random, layout)
        if brush is not None:
            yield brush


def _across_a_track(random: Random, layout: Layout) -> Field | None:
    """A cut through a straight piece of track."""
    runs = [run for run in layout.runs if run.width < 44 and np.hypot(*np.subtract(run.b, run.a)) > 45]
    if not runs:
        return None
    run = runs[random.integers(len(runs))]
    (ax, ay), (bx, by) = run.a, run.b
    part = random.uniform(0.25, 0.75)
    x, y = ax + part * (bx - ax), ay + part * (by - ay)
    across = np.arctan2(by - ay, bx - ax) + pi / 2 + random.normal(0, 0.3)
    reach = run.width / 2 + random.uniform(2, 5)
    bow = random.normal(0, 3, 2)
    points = [
        (x - reach * cos(across), y - reach * sin(across)),
        (x + bow[0], y + bow[1]),
        (x + reach * cos(across), y + reach * sin(across)),
    ]
    return layout.plane.stroke(points, random.uniform(2.5, 5.5, 3).tolist())


def _between_conductors(random: Random, layout: Layout) -> Field | None:
    """A bridge over a gap: from its middle to where copper begins on both sides."""
    field = layout.taken
    gap = _pick(random, (field > 4) & (field < 22) & _ridge(field))
    if gap is None:
        return None
    x, y = gap
    dx, dy = _slope(field, gap)
    away = np.arctan2(dy, dx) if np.hypot(dx, dy) > 0.3 else random.uniform(0, 2 * pi)
    ends = [_until_copper(field, gap, angle) for angle in (away, away + pi)]
    if ends[0] is None or ends[1] is None:
        return None
    bow = random.normal(0, 2.5, 2)
    points = [ends[0], (x + bow[0], y + bow[1]), ends[1]]
    return layout.plane.stroke(points, random.uniform(2.6, 5, 3).tolist())


def _at_an_edge(random: Random, layout: Layout, *, inward: bool) -> Field | None:
    """A dab over the edge of a conductor."""
    field = layout.copper
    place = _pick(random, np.abs(field) < 0.7)
    if place is None:
        return None
    x, y = place
    dx, dy = _slope(field, place)
    angle = np.arctan2(dy, dx) + (pi if inward else 0) + random.normal(0, 0.35)
    reach = random.uniform(5, 11)
    radius = random.uniform(3, 5.5)
    points = [(x, y), (x + reach * cos(angle), y + reach * sin(angle))]
    return layout.plane.stroke(points, [radius, radius * random.uniform(0.5, 1)])


def _alone(random: Random, layout: Layout, room: Field, depth: tuple[float, float]) -> Field | None:
    """A stroke amid nothing but copper, or nothing but board."""
    low, high = depth
    place = _pick(random, (room > low) & (room < high))
    if place is None:
        return None
    x, y = place
    space = float(room[int(y), int(x)])
    radius = min(random.uniform(3, 5.5), space - 4)
    reach = min(random.uniform(2, 12), space - radius - 3)
    if reach < 1:
        return None
    angle, bend = random.uniform(0, 2 * pi), random.normal(pi, 0.6)
    points = [
        (x + reach * cos(angle), y + reach * sin(angle)),
        (x, y),
        (x + reach * cos(angle + bend), y + reach * sin(angle + bend)),
    ]
    return layout.plane.stroke(points, (radius * random.uniform(0.7, 1.1, 3)).tolist())


def _looks_right(kind: str, layout: Layout, brush: Field) -> bool:
    """Whether a stroke makes just this defect: a bite must not cut through, a spur not reach another conductor."""
    inside = brush < 0
    if kind == "mousebite":
        return float(layout.copper[inside].min()) < -4.5 and _sides(layout.copper < 0, inside) == 1
    if kind == "spur":
        return float(layout.taken[inside].max()) > 5 and _sides(layout.copper >= 0, inside) == 1
    if kind == "open":
        return _sides(layout.copper < 0, inside) == 2
    if kind == "short":
        return _sides(layout.copper >= 0, inside) == 2
    return True


def _sides(ground: Finished, stroke: Finished) -> int:
    """Into how many pieces a stroke parts the ground right around it."""
    ys, xs = np.nonzero(stroke)
    y0, y1, x0, x1 = max(ys.min() - 6, 0), ys.max() + 7, max(xs.min() - 6, 0), xs.max() + 7
    near, mask = ground[y0:y1, x0:x1], stroke[y0:y1, x0:x1]
    return _pieces(near & ~mask)


def _pieces(mask: Finished) -> int:
    """Connected pieces of more than a few pixels, by flooding one after another."""
    left, pieces = mask.copy(), 0
    while left.any():
        piece = np.zeros_like(left)
        piece[tuple(np.argwhere(left)[0])] = True
        while True:
            grown = piece.copy()
            grown[1:] |= piece[:-1]
            grown[:-1] |= piece[1:]
            grown[:, 1:] |= piece[:, :-1]
            grown[:, :-1] |= piece[:, 1:]
            grown &= left
            if (grown == piece).all():
                break
            piece = grown
        pieces += int(piece.sum() > 12)
        left &= ~piece
    return pieces


def _ridge(field: Field) -> Finished:
    """About half way between two conductors: where the distance is larger than a little to both sides."""
    ridge = np.zeros(field.shape, bool)
    core = field[2:-2, 2:-2]
    ridge[2:-2, 2:-2] = ((core >= field[2:-2, :-4]) & (core >= field[2:-2, 4:])) | (
        (core >= field[:-4, 2:-2]) & (core >= field[4:, 2:-2])
    )
    return ridge


def _slope(field: Field, at: Point) -> Point:
    """Which way copper gets further, in x and y."""
    x, y = int(at[0]), int(at[1])
    height, width = field.shape
    left, right, above, below = max(x - 1, 0), min(x + 1, width - 1), max(y - 1, 0), min(y + 1, height - 1)
    return float(field[y, right] - field[y, left]) / 2, float(field[below, x] - field[above, x]) / 2


def _until_copper(field: Field, start: Point, angle: float) -> Point | None:
    height, width = field.shape
    for step in range(1, 40):
        x, y = start[0] + step * cos(angle), start[1] + step * sin(angle)
        if not (0 <= x < width and 0 <= y < height):
            return None
        if field[int(y), int(x)] < -1:
            return x, y
    return None


def _pick(random: Random, where: Finished) -> Point | None:
    places = np.argwhere(where)
    if not len(places):
        return None
    y, x = places[random.integers(len(places))]
    return float(x), float(y)


def _box(random: Random, changed: Finished) -> tuple[float, float, float, float] | None:
    """Around what was changed, with the margin of an annotator."""
    ys, xs = np.nonzero(changed)
    if len(xs) < 40:
        return None
    left, top, right, bottom = random.integers(MARGIN[0], MARGIN[1] + 1, 4)
    return (
        float(xs.min() - left), float(ys.min() - top), float(xs.max() + 1 + right), float(ys.max() + 1 + bottom),
    )  # fmt: skip


def _free(box: tuple[float, float, float, float], made: list[Defect], shape: tuple[int, ...]) -> bool:
    """Whether a box is on the board and away from the others."""
    x0, y0, x1, y1 = box
    if min(x0, y0) < 12 or x1 > shape[1] - 12 or y1 > shape[0] - 12:
        return False
    return all(
        x0 > other.xyxy[2] + APART or x1 < other.xyxy[0] - APART
        or y0 > other.xyxy[3] + APART or y1 < other.xyxy[1] - APART
        for other in made
    )  # fmt: skip
