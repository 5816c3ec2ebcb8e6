"""Masks from prototypes (Bolya et al. 2019, "YOLACT", https://arxiv.org/abs/1904.02689): each object's shape is a
weighted sum of pictures that the network makes of the whole input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette.vision.geometry import invert
from vedette_cnn.decoders.activations import sigmoid
from vedette_cnn.decoders.boxes import Candidates
from vedette_cnn.decoders.raw import Raw

FULL = 255


@dataclass(frozen=True, kw_only=True)
class Masked(Candidates):
    """Candidates with the weights of their prototypes: ``coefficients (m, c) float32``."""

    coefficients: NDArray[np.float32]


def box_masks(
    raw: Raw,
    prototypes: NDArray[np.float32],
    found: Masked,
    xyxy: NDArray[np.float32],
    affines: NDArray[np.float64],
    input_wh: tuple[int, int],
    mask_wh: tuple[int, int],
) -> NDArray[np.uint8]:
    """``(m, mask_h, mask_w)``: the probability, 0..255, that the centre of each cell of a grid over a box belongs to
    the object; 0 outside of the box as the network gave it, which in a turned picture is not the box in the frame.

    Parameters
    ----------
    prototypes
        ``(n, c, h, w)``; the grid covers the input, ``input_wh``.
    found
        The boxes in the input, sorted by batch row.
    xyxy
        ``(m, 4)``: the same in the frame.
    affines
        ``(n, 2, 3)``: from the input to the frame.

    Raises
    ------
    ResultError
        The masks are not numbers.
    """
    points = _centres(xyxy, invert(affines)[found.row], mask_wh)
    logits = np.empty(points.shape[:2], np.float32)
    cells = np.divide(prototypes.shape[:1:-1], input_wh, dtype=np.float32)
    for row in range(len(prototypes)):
        mine = slice(*np.searchsorted(found.row, (row, row + 1)))
        flat = prototypes[row].reshape(len(prototypes[row]), -1)
        planes = (found.coefficients[mine] @ flat).reshape(-1, *prototypes.shape[2:])
        logits[mine] = _sample(planes, points[mine] * cells)
    raw.refuse_nan("a mask", logits)
    inside = ((points >= found.xyxy[:, None, :2]) & (points < found.xyxy[:, None, 2:])).all(axis=2)
    mask = np.rint(sigmoid(logits) * FULL) * inside
    return mask.astype(np.uint8).reshape(-1, mask_wh[1], mask_wh[0])


def _centres(
    xyxy: NDArray[np.float32], to_input: NDArray[np.float64], mask_wh: tuple[int, int]
) -> NDArray[np.float32]:
    """``(m, h * w, 2)``: x, y in the input of the middle of each cell, row by row; ``to_input (m, 2, 3)`` is the map of
    each box."""
    w, h = mask_wh
    size = xyxy[:, 2:] - xyxy[:, :2]
    corner = np.einsum("mij,mj->mi", to_input[:, :, :2], xyxy[:, :2]) + to_input[:, :, 2]
    across = to_input[:, :, 0] * size[:, :1] / w
    down = to_input[:, :, 1] * size[:, 1:] / h
    column, line = np.arange(w, dtype=np.float32) + 0.5, np.arange(h, dtype=np.float32) + 0.5
    centres: NDArray[np.float32] = corner.astype(np.float32)[:, None, None] + (
        across.astype(np.float32)[:, None, None] * column[:, None]
        + down.astype(np.float32)[:, None, None] * line[:, None, None]
    )
    return centres.reshape(len(xyxy), h * w, 2)


def _sample(planes: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(m, p)``: the values of ``planes (m, h, w)`` at ``points (m, p, 2)``, in cells from the outer corner of the
    first one, between the middles of the cells linearly; beyond the outermost ones they stay as they are."""
    h, w = planes.shape[1:]
    place = np.clip(points - np.float32(0.5), 0, np.array([w - 1, h - 1], np.float32))
    low = np.minimum(place.astype(np.intp), np.maximum(np.array([w, h]) - 2, 0))
    part = place - low
    x, y = low[..., 0], low[..., 1]
    flat = planes.reshape(-1, h * w)
    right, below = min(1, w - 1), w * min(1, h - 1)
    first = y * w + x
    corner = [np.take_along_axis(flat, first + step, axis=1) for step in (0, right, below, below + right)]
    upper = corner[0] + (corner[1] - corner[0]) * part[..., 0]
    lower = corner[2] + (corner[3] - corner[2]) * part[..., 0]
    between: NDArray[np.float32] = upper + (lower - upper) * part[..., 1]
    return between
