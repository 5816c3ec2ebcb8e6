"""Copper on a board, as a field of distances: tracks, pads, vias and pours, drawn with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Field = NDArray[np.float32]
"""``(h, w)``: pixels to the nearest copper, negative inside of it; :data:`FAR` where it is beyond :data:`REACH`."""
REACH = 72
FAR = np.float32(1e4)


class Plane:
    """Shapes on ``width`` x ``height`` pixels. Each method gives the field of one shape, see :data:`Field`."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height

    def empty(self) -> Field:
        """No copper for miles."""
        return np.full((self.height, self.width), FAR, np.float32)

    def stroke(self, points: Sequence[Point], radii: Sequence[float]) -> Field:
        """A line with round ends through ``points``, as thick as twice the radius at each of them."""
        field = self.empty()
        for (ax, ay), (bx, by), ra, rb in zip(points, points[1:], radii, radii[1:], strict=False):
            most = max(ra, rb)
            part, x, y = self._around(
                field, min(ax, bx) - most, min(ay, by) - most, max(ax, bx) + most, max(ay, by) + most
            )
            length2 = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-6)
            along = (((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length2).clip(0, 1)
            distance = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
            np.minimum(part, distance - (ra + along * (rb - ra)), out=part)
        return field

    def track(self, points: Sequence[Point], width: float) -> Field:
        """A line of one width."""
        return self.stroke(points, [width / 2] * len(points))

    def pad(self, centre: Point, size: Point, corner: float = 2.0) -> Field:
        """An upright rectangle with round corners."""
        field = self.empty()
        (cx, cy), (w, h) = centre, size
        part, x, y = self._around(field, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        dx, dy = np.abs(x - cx) - (w / 2 - corner), np.abs(y - cy) - (h / 2 - corner)
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
        part[:] = outside + np.minimum(np.maximum(dx, dy), 0) - corner
        return field

    def via(self, centre: Point, radius: float) -> Field:
        """A disc."""
        field = self.empty()
        cx, cy = centre
        part, x, y = self._around(field, cx - radius, cy - radius, cx + radius, cy + radius)
        part[:] = np.hypot(x - cx, y - cy) - radius
        return field

    def _around(self, field: Field, x0: float, y0: float, x1: float, y1: float) -> tuple[Field, Field, Field]:
        """The part of a field that is near a rectangle, and the coordinates of its columns and rows."""
        left, right = (min(max(round(at), 0), self.width) for at in (x0 - REACH, x1 + REACH))
        top, bottom = (min(max(round(at), 0), self.height) for at in (y0 - REACH, y1 + REACH))
        x = np.arange(left, right, dtype=np.float32)[None]
        y = np.arange(top, bottom, dtype=np.float32)[:, None]
        return field[top:bottom, left:right], x, y


def beside(points: Sequence[Point], offset: float) -> list[Point]:
    """The line that runs parallel to ``points`` at a distance, corners mitred."""
    line = np.asarray(points, float)
    along = np.diff(line, axis=0)
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    moved = [line[0] + offset * normals[0]]
    for corner, before, after in zip(line[1:-1], normals, normals[1:], strict=False):
        middle = before + after
        moved.append(corner + offset * 2 * middle / (middle @ middle))
    moved.append(line[-1] + offset * normals[-1])
    return [(float(x), float(y)) for x, y in moved]
