"""Average precision as COCO defines it (Lin et al. 2014; reference code: pycocotools ``COCOeval``), on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps (intersection over union) from which a box counts as found; mAP50-95 is the mean over them."""
RECALLS = np.linspace(0, 1, 101)
"""Recall levels at which the precision is read."""
MOST = 100
"""Boxes of a class in a picture that count, the most confident ones."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def overlaps(found: Floats, truth: Floats, crowd: Bools) -> Floats:
    """Intersection over union of boxes ``(n, 4)`` and ``(m, 4)``: ``(n, m)``; of a crowd, over the found box's area."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area, area_truth = ((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) for boxes in (found, truth))
    whole = np.where(crowd[None, :], area[:, None], area[:, None] + area_truth[None, :] - shared)
    ratio: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return ratio


def match(overlap: Floats, ignored: Bools, crowd: Bools) -> tuple[Bools, Bools]:
    """Which boxes of one class in one picture are found rightly, and which do not count.

    From the most confident on, each found box takes the true one that it overlaps best of those not yet taken, if the
    overlap reaches the threshold; one that reaches none takes one that is ignored, and does not count. A crowd is never
    used up.

    Parameters
    ----------
    overlap
        ``(n, m)``, found boxes in falling order of confidence, by true boxes.
    ignored, crowd
        ``(m,)``, the true boxes that need not be found, and those of them around crowds.

    Returns
    -------
    tuple
        ``correct`` and ``void``, each ``(10, n)``, by :data:`THRESHOLDS`.
    """
    correct = np.zeros((len(THRESHOLDS), len(overlap)), bool)
    void = np.zeros_like(correct)
    if overlap.shape[1] == 0:
        return correct, void
    needed = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    free = np.ones((len(THRESHOLDS), overlap.shape[1]), bool)
    order = np.r_[np.flatnonzero(~ignored), np.flatnonzero(ignored)][::-1]  # of equal ones, the last is taken
    levels = np.arange(len(THRESHOLDS))
    for row in np.flatnonzero(overlap.max(axis=1) >= THRESHOLDS[0]):
        reached = free & (overlap[row] >= needed)
        rank = np.where(reached, overlap[row] + 2.0 * ~ignored, -1.0)[:, order]
        best = order[rank.argmax(axis=1)]
        taken = reached[levels, best]
        correct[:, row] = taken & ~ignored[best]
        void[:, row] = taken & ignored[best]
        free[levels[taken], best[taken]] = crowd[best[taken]]
    return correct, void


def average_precision(weights: Floats, correct: Bools, void: Bools, n_truth: Floats) -> Floats:
    """Mean over :data:`RECALLS` of the best precision at that recall or a higher one, of one class.

    Parameters
    ----------
    weights
        ``(b, n)``: how often each found box counts in each of ``b`` resamples, boxes in falling order of confidence.
    correct, void
        ``(t, n)``, of :func:`match`, over all pictures.
    n_truth
        ``(b,)``: how many true boxes are there to find.

    Returns
    -------
    numpy.ndarray
        ``(b, t)``; NaN where there is nothing to find.
    """
    there = np.where(n_truth > 0, n_truth, np.nan)[:, None]
    value = np.zeros((len(weights), len(correct)))
    total = np.cumsum(weights, axis=1)
    for level, (right, no_matter) in enumerate(zip(correct, void, strict=True)):
        rows = np.flatnonzero(right)  # recall and the best precision change nowhere else
        said = (np.cumsum(weights * ~no_matter, axis=1) if no_matter.any() else total)[:, rows]
        hits = np.cumsum(weights[:, rows], axis=1)
        precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, hits / there, side="right")
        value[:, level] = (np.diff(reached, axis=1, prepend=0) * best).sum(axis=1) / len(RECALLS)
    value[n_truth == 0] = np.nan
    return value
