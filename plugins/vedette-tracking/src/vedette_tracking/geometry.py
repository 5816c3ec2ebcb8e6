"""Points, polygons and lines in pixels, x to the right and y down; and the ground that a picture shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ConfigError

Floats = NDArray[np.float64]

ANCHORS: dict[str, tuple[float, float]] = {
    f"{vertical}_{horizontal}" if vertical != horizontal else "center": (x, y)
    for vertical, y in (("top", 0.0), ("center", 0.5), ("bottom", 1.0))
    for horizontal, x in (("left", 0.0), ("center", 0.5), ("right", 1.0))
}
"""Where in a box a point lies, in parts of its width and height."""


def anchors_of(xyxy: Floats, anchor: str) -> Floats:
    """The point of each box that says where it is: ``(n, 2)`` x, y.

    >>> anchors_of(np.array([[0.0, 0.0, 4.0, 10.0]]), "bottom_center")
    array([[ 2., 10.]])
    """
    points: Floats = xyxy[:, :2] + (xyxy[:, 2:] - xyxy[:, :2]) * np.array(ANCHORS[anchor])
    return points


def distance_inside(points: Floats, polygon: Floats) -> Floats:
    """How far ``(n, 2)`` points are from the edge of a polygon ``(k, 2)``: ``(n,)``, above 0 inside, below 0 outside.
    Inside is what an odd number of edges surrounds.

    >>> distance_inside(np.array([[1.0, 2.0], [5.0, 2.0]]), np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]]))
    array([ 1., -1.])
    """
    begin, along = polygon, np.roll(polygon, -1, axis=0) - polygon
    apart = points[:, None] - begin
    length = np.maximum((along**2).sum(axis=1), np.finfo(np.float64).tiny)
    part = np.clip((apart * along).sum(axis=2) / length, 0, 1)
    nearest = np.sqrt(((apart - part[..., None] * along) ** 2).sum(axis=2).min(axis=1))
    above = apart[..., 1] >= 0
    straddles = above != np.roll(above, -1, axis=1)
    turn = along[:, 0] * apart[..., 1] - along[:, 1] * apart[..., 0]
    crossed = straddles & ((turn > 0) == above)
    inside = crossed.sum(axis=1) % 2 == 1
    signed: Floats = np.where(inside, nearest, -nearest)
    return signed


def distance_right(points: Floats, start: Floats, end: Floats) -> Floats:
    """How far ``(n, 2)`` points are from the line through two others, ``(n,)``: above 0 to the right of somebody who
    stands at ``start`` and looks to ``end``.

    >>> distance_right(np.array([[5.0, 3.0]]), np.array([0.0, 0.0]), np.array([10.0, 0.0]))
    array([3.])
    """
    along = end - start
    apart = points - start
    turn: Floats = (along[0] * apart[:, 1] - along[1] * apart[:, 0]) / np.hypot(*along)
    return turn


def homography(picture: Floats, ground: Floats) -> Floats:
    """The ``(3, 3)`` matrix that takes ``picture`` points to ``ground`` points, both ``(n, 2)`` with n >= 4.

    Exact for four of them, with the least squares of the algebraic error for more (Hartley and Zisserman 2004, section
    4.1, with their normalisation).

    Raises
    ------
    ConfigError
        The points do not determine it: too many of them lie on one line.
    """
    to_picture, to_ground = _normalisation(picture), _normalisation(ground)
    (x, y), (u, v) = apply_homography(to_picture, picture).T, apply_homography(to_ground, ground).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    equations = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=1),
        ]
    )
    _, strength, directions = np.linalg.svd(equations)
    normalised = directions[-1].reshape(3, 3)
    if strength[7] < 1e-6 * strength[0] or np.linalg.cond(normalised) > 1e6:
        raise ConfigError(
            "the points do not determine how the picture shows the ground",
            fix="give at least four points of which no three lie on one line",
        )
    matrix = np.linalg.inv(to_ground) @ normalised @ to_picture
    scaled: Floats = matrix / np.abs(matrix).max()
    return scaled


def apply_homography(matrix: Floats, points: Floats) -> Floats:
    """``(n, 2)`` points under a ``(3, 3)`` matrix; infinite for those on the horizon."""
    mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        flat: Floats = mapped[:, :2] / mapped[:, 2:]
    return flat


def _normalisation(points: Floats) -> Floats:
    """Takes the points' centre to 0 and their mean distance from it to the root of 2."""
    centre = points.mean(axis=0)
    scale = np.sqrt(2) / max(float(np.hypot(*(points - centre).T).mean()), np.finfo(np.float64).tiny)
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])
