"""Faces brought to where an embedding network expects them: a similarity (turn, scale, shift) fitted to five points.

The fit is the least-squares one of Umeyama 1991, "Least-squares estimation of transformation parameters between two
point patterns" (IEEE TPAMI 13:4), without reflection. In the plane it has a closed form: with centred points as complex
numbers ``z`` (from) and ``w`` (to), turn and scale are ``sum(conj(z) w) / sum(|z|^2)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.specs import Affine
from vedette.vision.geometry import Floats, invert

SIDE = 112
"""Width and height of an aligned face, in pixels."""
TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the points lie in an aligned face, as the viewer sees it: left eye, right eye, nose, left and right corner of
the mouth. The layout that SphereFace (Liu et al. 2017, https://arxiv.org/abs/1704.08063) and ArcFace (Deng et al. 2019,
https://arxiv.org/abs/1801.07698) trained on, and most networks since."""
TEMPLATE.flags.writeable = False

LEAST_SPREAD = 0.5
"""Pixels (root of the mean square distance from their centre) below which points do not say how a face is turned."""


def similarity(points: Floats, target: Floats) -> NDArray[np.float64]:
    """The similarities that bring ``points`` nearest to ``target``.

    Parameters
    ----------
    points
        ``(n, k, 2)``: x, y of ``k`` points, ``k >= 2``.
    target
        ``(k, 2)``: where they are to be.

    Returns
    -------
    ``(n, 2, 3) float64``: maps ``points`` to ``target``.

    Raises
    ------
    ValueError
        Points of a row are not finite or (nearly) all the same: ask :func:`alignable` first.
    """
    points = np.asarray(points, np.float64)
    centre, middle = points.mean(axis=1), target.mean(axis=0)
    z = _complex(points - centre[:, None])
    w = _complex(target - middle)
    size = (np.abs(z) ** 2).sum(axis=1)
    if not np.isfinite(size).all() or (size == 0).any():
        raise ValueError("points must be finite and not all the same")
    turn = (z.conj() * w).sum(axis=1) / size
    linear = np.stack([turn.real, -turn.imag, turn.imag, turn.real], axis=1).reshape(-1, 2, 2)
    shift = middle - np.einsum("nij,nj->ni", linear, centre)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def alignable(points: Floats) -> NDArray[np.bool_]:
    """``(n,)``: which rows of ``points (n, 5, 2)`` can be aligned: finite, not all in one place, and not the picture of
    a mirrored face, to which no turn brings the template near."""
    points = np.asarray(points, np.float64)
    finite: NDArray[np.bool_] = np.isfinite(points.sum(axis=(1, 2)))
    centred = np.where(finite[:, None, None], points, 0.0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=2).mean(axis=1))
    z, w = _complex(centred), _complex(TEMPLATE - TEMPLATE.mean(axis=0))
    straight, mirrored = np.abs((z.conj() * w).sum(axis=1)), np.abs((z * w).sum(axis=1))
    fits: NDArray[np.bool_] = finite & (spread >= LEAST_SPREAD) & (straight > mirrored)
    return fits


def align(points: Floats) -> Affine:
    """Where aligned faces lie in the frame.

    Parameters
    ----------
    points
        ``(n, 5, 2)``: pixels of the frame, in the order of :data:`TEMPLATE`.

    Returns
    -------
    ``(n, 2, 3) float64``: maps pixels of the aligned face (0..112) to the frame, as :class:`vedette.specs.Roi` has it.

    Raises
    ------
    ValueError
        A row is not :func:`alignable`.
    """
    if np.shape(points)[1:] != TEMPLATE.shape:
        raise ValueError(f"points must be (n, 5, 2), not {np.shape(points)}")
    if not alignable(points).all():
        raise ValueError("points must be finite, apart from each other, and in the order of the template")
    return invert(similarity(points, TEMPLATE))


def _complex(points: NDArray[np.float64]) -> NDArray[np.complex128]:
    numbers: NDArray[np.complex128] = points[..., 0] + 1j * points[..., 1]
    return numbers
