"""Whether two decoded results say the same, where a network's answer is clear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification, ClipPrediction, Detections, Embedding, Result

IOU = 0.9
"""Overlap that a box must have with its partner."""
POINTS = 0.1
"""By how much landmarks may differ from the partner's, as a part of the box's longer side."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """``agreeing`` of ``total`` findings; ``problem`` is the first that does not, in words."""

    agreeing: int = 0
    total: int = 0
    problem: str = ""

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.agreeing + other.agreeing, self.total + other.total, self.problem or other.problem
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """All boxes above the threshold, before those that overlap a better one of their class by more than ``overlap``
    were left out of ``given`` and ``expected``."""

    given: Detections
    expected: Detections
    overlap: float


def agreement(
    given: Result,
    expected: Result,
    margin: float,
    threshold: float | None = None,
    proposals: Proposals | None = None,
) -> Agreement:
    """Compare two results of one picture.

    * Boxes: each that is clear of the threshold by ``margin``, on either side, has a partner on the other: of the same
      class, with an IoU of at least 0.9, a confidence within ``margin`` (and landmarks within a tenth of its size).
      With ``proposals`` it may also have lost a tie there: it has its partner among what was proposed, and what was
      reported of this object instead is of the same class and within ``margin``, too.
    * Classes: the best one is the same, or the two were within ``margin`` of each other to begin with.
    * Embeddings: the cosine is at least ``1 - margin``.
    * Any other type: as many rows; columns of floats within ``margin`` of their range, columns of integers equal.

    Parameters
    ----------
    threshold
        The confidence that the decoder asks of a box; ``None``: the lowest that is reported.
    """
    if type(given) is not type(expected):
        return Agreement(0, 1, f"a {given.type} result instead of {expected.type}")
    if isinstance(expected, Detections):
        return _boxes(cast(Detections, given), expected, margin, threshold, proposals)
    if len(given) != len(expected):
        return Agreement(0, max(len(expected), 1), f"{len(given)} rows instead of {len(expected)}")
    rows = _ROWS.get(type(expected), _columns)
    agree, what = rows(given, expected, margin)
    problem = "" if agree.all() else f"{what} of row {int(np.argmin(agree))}"
    return Agreement(int(agree.sum()), len(agree), problem)


# --- boxes --------------------------------------------------------------------------------------------------------


def _boxes(
    given: Detections,
    expected: Detections,
    margin: float,
    threshold: float | None,
    proposals: Proposals | None,
) -> Agreement:
    if threshold is None:
        both = np.concatenate([given.confidence, expected.confidence])
        threshold = float(both.min()) if len(both) else 0.0
    partners = _partners(given, expected, margin)
    there, wanted = np.logical_or.reduce(partners, axis=0), np.logical_or.reduce(partners, axis=1)
    if proposals is not None:
        there |= _lost_a_tie(expected, given, proposals.given, margin, proposals.overlap)
        wanted |= _lost_a_tie(given, expected, proposals.expected, margin, proposals.overlap)
    total = Agreement()
    for side, has_partner, where in (
        (expected, there, "is missing"),
        (given, wanted, "was not expected"),
    ):
        clear = side.confidence >= threshold + margin
        agree = has_partner[clear]
        problem = "" if agree.all() else f"{_box(side.select(clear), int(np.argmin(agree)))} {where}"
        total += Agreement(int(agree.sum()), len(agree), problem)
    return total


def _lost_a_tie(
    side: Detections, other: Detections, proposed: Detections, margin: float, overlap: float
) -> NDArray[np.bool_]:
    """``(len(side),)``: which boxes the other proposed as well, and reported another one of that object instead, no
    surer by more than ``margin``. Which of several nearly equal boxes is left hangs on the last digit."""
    kept = np.logical_or.reduce(_alike(side, other, margin, overlap), axis=1)
    proposed_too = np.logical_or.reduce(_partners(side, proposed, margin), axis=1)
    tied: NDArray[np.bool_] = kept & proposed_too
    return tied


def _alike(a: Detections, b: Detections, margin: float, overlap: float) -> NDArray[np.bool_]:
    """``(len(a), len(b))``: of the same class, this much overlapping, and as sure within ``margin``."""
    match: NDArray[np.bool_] = np.asarray(
        _iou(a.xyxy.astype(np.float64), b.xyxy.astype(np.float64)) >= overlap
    )
    match &= a.class_id[:, None] == b.class_id
    match &= np.abs(a.confidence[:, None].astype(np.float64) - b.confidence) <= margin
    return match


def _partners(a: Detections, b: Detections, margin: float) -> NDArray[np.bool_]:
    """``(len(a), len(b))``: which boxes may stand for each other."""
    match = _alike(a, b, margin, IOU)
    if (a.points is None) != (b.points is None):
        match &= False
    elif a.points is not None and b.points is not None and a.points.shape[1:] == b.points.shape[1:]:
        apart = np.abs(a.points[:, None].astype(np.float64) - b.points).max(axis=(2, 3), initial=0.0)
        size = np.maximum(b.xyxy[:, 2] - b.xyxy[:, 0], b.xyxy[:, 3] - b.xyxy[:, 1])
        match &= apart <= POINTS * size
    return match


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of ``(n, 4)`` and ``(m, 4)`` boxes; equal boxes without area overlap wholly."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(side[:, 2:] - side[:, :2]).clip(0).prod(axis=1) for side in (a, b)]
    union = areas[0][:, None] + areas[1] - shared
    equal = (a[:, None] == b).all(axis=2)
    return np.where(equal, 1.0, shared / np.where(union > 0, union, 1.0))


def _box(side: Detections, row: int) -> str:
    corners = ", ".join(f"{value:.0f}" for value in side.xyxy[row])
    return f"a box of class {side.class_id[row]} at {side.confidence[row]:.2f} [{corners}]"


# --- everything else, row by row ----------------------------------------------------------------------------------

Rows = tuple[NDArray[np.bool_], str]


def _best_class(given: Result, expected: Result, margin: float) -> Rows:
    g, e = cast(Classification, given), cast(Classification, expected)
    if not e.class_id.shape[1] or not g.class_id.shape[1]:
        return np.full(len(e), e.class_id.shape == g.class_id.shape), "the best class"
    same = g.class_id[:, 0] == e.class_id[:, 0]
    near = e.confidence >= e.confidence[:, :1] - margin
    tie = ((e.class_id == g.class_id[:, :1]) & near).any(axis=1)
    return same | tie, "the best class"


def _cosine(given: Result, expected: Result, margin: float) -> Rows:
    g, e = (cast(Embedding, side).vector.astype(np.float64) for side in (given, expected))
    if g.shape != e.shape:
        return np.zeros(len(e), np.bool_), "the length of the vector"
    norms = np.linalg.norm(g, axis=1) * np.linalg.norm(e, axis=1)
    return (g * e).sum(axis=1) >= (1 - margin) * norms, "the direction"


def _columns(given: Result, expected: Result, margin: float) -> Rows:
    agree = np.ones(len(expected), np.bool_)
    for name in expected.columns:
        g, e = getattr(given, name), getattr(expected, name)
        if (g is None) != (e is None) or (e is not None and g.shape != e.shape):
            return np.zeros(len(expected), np.bool_), f"the shape of column {name!r}"
        if e is None or not e.size:
            continue
        near = np.abs(g.astype(np.float64) - e) <= (
            margin * (float(np.ptp(e)) or 1.0) if e.dtype.kind == "f" else 0
        )
        agree &= near.reshape(len(e), -1).all(axis=1)
        if not agree.all():
            return agree, f"column {name!r}"
    return agree, ""


_ROWS: dict[type[Result], Callable[[Result, Result, float], Rows]] = {
    Classification: _best_class,
    ClipPrediction: _best_class,
    Embedding: _cosine,
}
