"""Where copper is on a board: a bus, pours, pads and vias with tracks between them, as far as there is room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, pi, sin

import numpy as np

from belt.copper import Field, Plane, Point, beside

CLEARANCE = 11
"""Pixels between any two conductors, at least."""


@dataclass(frozen=True)
class Run:
    """A straight piece of track between two points: where it could be cut through."""

    a: Point
    b: Point
    width: float


@dataclass
class Layout:
    """Copper without a flaw. ``taken`` is the field of all conductors; holes of vias are only in ``copper``."""

    plane: Plane
    copper: Field = field(init=False)
    taken: Field = field(init=False)
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.copper, self.taken = self.plane.empty(), self.plane.empty()

    def place(self, shape: Field, runs: list[Run], hole: Field | None = None) -> bool:
        """Add a conductor if it keeps clear of all others."""
        if self.taken[shape < 0].min(initial=np.inf) < CLEARANCE:
            return False
        np.minimum(self.taken, shape, out=self.taken)
        solid = shape if hole is None else np.maximum(shape, hole)
        np.minimum(self.copper, solid, out=self.copper)
        self.runs += runs
        return True

    @property
    def share(self) -> float:
        """How much of the board is copper."""
        return float((self.copper < 0).mean())


def lay_out(random: np.random.Generator, plane: Plane) -> Layout:
    """A board of its own kind: fine or coarse, dense or not."""
    layout = Layout(plane)
    fine = random.uniform(7, 15)
    if random.random() < 0.75:
        bus(random, layout, fine)
    for _ in range(random.integers(0, 3)):
        pour(random, layout)
    wanted = random.uniform(0.3, 0.45)
    kinds: list[Callable[[np.random.Generator, Layout, float], bool]] = [row, link, link, link, heavy]
    for _ in range(70):
        kinds[random.integers(len(kinds))](random, layout, fine)
        if layout.share > wanted:
            break
    return layout


def bus(random: np.random.Generator, layout: Layout, width: float) -> bool:
    """Some tracks side by side across the board, with one or two bends of 45 degrees."""
    plane = layout.plane
    lines = int(random.integers(3, 7))
    pitch = width + random.uniform(13, 20)
    y = random.uniform(0.15, 0.85) * plane.height
    step = random.uniform(60, 180) * random.choice([-1, 1])
    bend = random.uniform(0.2, 0.55) * plane.width
    points = [(-40.0, y), (bend, y), (bend + abs(step), y + step), (plane.width + 40.0, y + step)]
    if random.random() < 0.5:
        points = [(b, a) for a, b in points]
    placed = False
    for line in range(lines):
        path = beside(points, (line - (lines - 1) / 2) * pitch)
        placed |= layout.place(plane.track(path, width), _runs(path, width))
    return placed


def pour(random: np.random.Generator, layout: Layout) -> bool:
    """A large area of copper."""
    plane = layout.plane
    size = (random.uniform(90, 240), random.uniform(80, 200))
    centre = (random.uniform(0, plane.width), random.uniform(0, plane.height))
    return layout.place(plane.pad(centre, size, random.uniform(2, 30)), [])


def row(random: np.random.Generator, layout: Layout, width: float) -> bool:
    """Pads in a row, as of a chip, each with a track that leads away."""
    plane = layout.plane
    count = int(random.integers(2, 6))
    size = (random.uniform(26, 44), random.uniform(30, 60))
    pitch = size[0] + random.uniform(18, 34)
    x, y = random.uniform(20, plane.width - 60), random.uniform(40, plane.height - 40)
    down = random.choice([-1, 1])
    placed = False
    for number in range(count):
        at = (x + number * pitch, y)
        path = [at, (at[0], at[1] + down * random.uniform(60, 140))]
        shape = np.minimum(plane.pad(at, size), plane.track(path, width))
        shape = np.minimum(shape, plane.via(path[1], random.uniform(0.9, 1.3) * width))
        placed |= layout.place(shape, _runs([(at[0], at[1] + down * size[1] / 2), path[1]], width))
    return placed


def link(random: np.random.Generator, layout: Layout, width: float) -> bool:
    """A track with bends of 45 degrees, from a via or pad to another."""
    width = width * random.uniform(0.6, 1.3)
    path = _path(random, layout.plane, random.uniform(60, 170))
    shape, hole = layout.plane.track(path, width), None
    for end in (path[0], path[-1]):
        if random.random() < 0.5:
            radius = random.uniform(16, 32)
            shape = np.minimum(shape, layout.plane.via(end, radius))
            if radius > 24:
                ring = -layout.plane.via(end, radius * random.uniform(0.3, 0.42))
                hole = ring if hole is None else np.maximum(hole, ring)
        else:
            size = (random.uniform(26, 48), random.uniform(26, 48))
            shape = np.minimum(shape, layout.plane.pad(end, size))
    return layout.place(shape, _runs(path, width), hole)


def heavy(random: np.random.Generator, layout: Layout, width: float) -> bool:
    """A wide track, for current."""
    width = random.uniform(24, 42)
    path = _path(random, layout.plane, random.uniform(100, 260))
    return layout.place(layout.plane.track(path, width), _runs(path, width))


def _path(random: np.random.Generator, plane: Plane, length: float) -> list[Point]:
    """Two or three straight pieces in directions that are multiples of 45 degrees."""
    x, y = random.uniform(0, plane.width), random.uniform(0, plane.height)
    points = [(x, y)]
    eighth = int(random.integers(8))
    for _ in range(random.integers(2, 4)):
        step = length * random.uniform(0.5, 1.0)
        x, y = x + step * cos(eighth * pi / 4), y + step * sin(eighth * pi / 4)
        points.append((x, y))
        eighth += int(random.choice([-1, 1]))
    return points


def _runs(path: list[Point], width: float) -> list[Run]:
    return [Run(a, b, width) for a, b in pairwise(path)]
