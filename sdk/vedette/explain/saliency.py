"""Saliency: how much each place of a picture speaks for one answer of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.specs import Affine
from vedette.vision.geometry import apply, invert

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the frame."""

_SIDE = 192
"""Points per side on which the mass of a map is counted."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The answer that is explained: a class, with the confidence 0..1 that the model has in it, and of a detection the
    box."""

    class_id: int
    label: str
    confidence: float
    xyxy: Box | None = None

    def __str__(self) -> str:
        return f"{self.label} {self.confidence:.2f}"


@dataclass(frozen=True, kw_only=True)
class Region:
    """A place that speaks for the answer. ``share``: its part of all that does, 0..1; ``peak``: its largest value."""

    xyxy: Box
    share: float
    peak: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Saliency:
    """A map of evidence.

    Attributes
    ----------
    heat
        ``(h, w) float32``: what each cell adds to the answer; below 0 where it speaks against it. The unit is the
        method's: confidence for occlusion, logits for activation maps.
    affine
        ``(2, 3) float64``: from the map's coordinates (0..w, 0..h) to pixels of the frame.
    size_wh
        Size of the frame.
    target
        What is explained.
    method
        ``occlusion``, ``activation``, ``grad-cam`` ...
    inferences
        How often the network was run for it.
    """

    heat: NDArray[np.float32]
    affine: Affine
    size_wh: tuple[int, int]
    target: Target
    method: str
    inferences: int

    @property
    def extent(self) -> Box:
        """The part of the frame that the map covers: an upright box."""
        return self._box(0, 0, self.heat.shape[1], self.heat.shape[0])

    def on_grid(self, rect: Box, size_wh: tuple[int, int]) -> NDArray[np.float32]:
        """The map over ``rect`` of the frame as ``(h, w)`` pixels of ``size_wh``: linear between the middles of cells,
        0 where the map does not reach."""
        (x0, y0, x1, y1), (width, height) = rect, size_wh
        x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
        y = y0 + (np.arange(height) + 0.5) * (y1 - y0) / height
        points = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
        return _sample(self.heat, apply(invert(self.affine), points))

    def share_inside(self, xyxy: Box | NDArray[Any]) -> float:
        """The part, 0..1, of all that speaks for the answer that lies in a box; 0 where nothing does."""
        x0, y0, x1, y1 = extent = self.extent
        mass = self.on_grid(extent, (_SIDE, _SIDE)).clip(min=0)
        x = x0 + (np.arange(_SIDE) + 0.5) * (x1 - x0) / _SIDE
        y = y0 + (np.arange(_SIDE) + 0.5) * (y1 - y0) / _SIDE
        left, top, right, bottom = (float(value) for value in xyxy)
        inside = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))
        total = float(mass.sum())
        return float(mass[inside].sum()) / total if total else 0.0

    def regions(self, most: int = 3, level: float = 0.5) -> list[Region]:
        """The places of at least ``level`` of the map's maximum, by how much they hold, at most ``most`` of them. Cells
        that touch by a side are one place; its box is in pixels of the frame."""
        heat = self.heat.clip(min=0)
        total, peak = float(heat.sum()), float(heat.max())
        if peak <= 0:
            return []
        found = []
        for rows, columns in _components(heat >= level * peak):
            values = heat[rows, columns]
            box = self._box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            found.append(Region(xyxy=box, share=float(values.sum()) / total, peak=float(values.max())))
        return sorted(found, key=lambda region: -region.share)[:most]

    def to_builtins(self) -> dict[str, Any]:
        """Plain data for JSON: what is explained, how, and the top regions; not the map itself."""
        return {
            "method": self.method,
            "inferences": self.inferences,
            "class_id": self.target.class_id,
            "label": self.target.label,
            "confidence": round(self.target.confidence, 6),
            "xyxy": None if self.target.xyxy is None else [round(value, 2) for value in self.target.xyxy],
            "regions": [
                {
                    "xyxy": [round(value, 2) for value in region.xyxy],
                    "share": round(region.share, 4),
                    "peak": region.peak,
                }
                for region in self.regions()
            ],
        }

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """The upright box around a rectangle of the map, clipped to the frame."""
        corners = apply(self.affine, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64))
        low = corners.min(axis=0).clip(0, self.size_wh)
        high = corners.max(axis=0).clip(0, self.size_wh)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def correlation(one: Saliency, other: Saliency) -> float:
    """Pearson's correlation, -1..1, of two maps of the same frame, over where the first lies; 0 if one of them is
    flat."""
    first, second = (
        item.on_grid(one.extent, (_SIDE, _SIDE)).astype(np.float64).ravel() for item in (one, other)
    )
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _sample(heat: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """``heat`` at ``points (..., 2)`` in its own coordinates."""
    height, width = heat.shape
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    x, y = (x - 0.5).clip(0, width - 1), (y - 0.5).clip(0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along, down = x - left, y - top
    upper = heat[top, left] * (1 - along) + heat[top, right] * along
    lower = heat[bottom, left] * (1 - along) + heat[bottom, right] * along
    return np.where(inside, upper * (1 - down) + lower * down, 0).astype(np.float32)


def _components(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows and columns of each group of set cells that touch by a side."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}
    groups = []
    while left:
        open_, group = [left.pop()], []
        while open_:
            row, column = open_.pop()
            group.append((row, column))
            for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if near in left:
                    left.remove(near)
                    open_.append(near)
        cells = np.array(group, np.intp)
        groups.append((cells[:, 0], cells[:, 1]))
    return groups
