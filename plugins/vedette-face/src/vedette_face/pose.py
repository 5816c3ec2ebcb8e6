"""How a head is turned, from five points.

A mean face in three dimensions is laid over the points by scaled orthography (DeMenthon and Davis 1995, "Model-based
object pose in 25 lines of code", IJCV 15: its first step): a linear least-squares fit gives the first two rows of the
rotation, each times the scale. Good to about ten degrees: whose nose is longer than the mean face's seems turned
further.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.vision.geometry import Floats
from vedette_face.alignment import TEMPLATE

DEPTH = (0.0, 0.0, -20.0, -6.0, -6.0)
"""How much nearer than the eyes nose and corners of the mouth are, negative towards the viewer; in the unit of the
template, in which the eyes are 35 apart (about 62 mm)."""
HEAD: NDArray[np.float64] = np.column_stack([TEMPLATE, DEPTH])
"""``(5, 3)``: the mean face seen from the front; x to the viewer's right, y down, z away from the viewer."""
_FIT: NDArray[np.float64] = np.linalg.pinv(HEAD - HEAD.mean(axis=0))


def pose(points: Floats) -> NDArray[np.float64]:
    """Yaw, pitch and roll of heads.

    Parameters
    ----------
    points
        ``(n, 5, 2)``: pixels, in the order of :data:`vedette_face.alignment.TEMPLATE`; finite.

    Returns
    -------
    ``(n, 3)``, degrees: yaw, positive where the head turns to the viewer's right; pitch, positive where it looks up;
    roll, positive where it is tilted clockwise as the viewer sees it. Zero for points all in one place.
    """
    points = np.asarray(points, np.float64)
    rows = np.einsum("mk,nkx->nxm", _FIT, points - points.mean(axis=1, keepdims=True))
    right, down = rows[:, 0], rows[:, 1]
    size = (np.linalg.norm(right, axis=1) + np.linalg.norm(down, axis=1)) / 2
    size = np.where(size > 0, size, 1.0)[:, None]
    # The third row of the rotation, towards which the face does not look: what the nose's line is turned into.
    away = np.column_stack([right[:, 2], down[:, 2]]) / size
    yaw, pitch = -np.arcsin(np.clip(away[:, 0], -1, 1)), np.arcsin(np.clip(away[:, 1], -1, 1))
    roll = np.arctan2(points[:, 1, 1] - points[:, 0, 1], points[:, 1, 0] - points[:, 0, 0])
    # Seen in the head's own upright picture, not in the frame's.
    cos, sin = np.cos(roll), np.sin(roll)
    yaw, pitch = yaw * cos - pitch * sin, yaw * sin + pitch * cos
    degrees: NDArray[np.float64] = np.degrees(np.column_stack([yaw, pitch, roll]))
    return degrees
