"""By how much two tensors differ. Pure functions and one accumulator; nothing here knows what is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vedette.specs import Tensor
from vedette.vision.spec import InputSpec

Floats = NDArray[np.float64]
LARGEST = 1e9
"""What a larger difference is told as, an infinite one too: JSON has no infinity."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst element, the root of the mean square and the mean, all of absolute differences as parts of the range of
    what was expected. ``worst_at``: the golden of the worst element."""

    worst: float = 0.0
    rms: float = 0.0
    mean: float = 0.0
    worst_at: int = 0


@dataclass(slots=True)
class Gauge:
    """Gathers the differences of one tensor over several goldens.

    Parameters
    ----------
    rows
        Compare two sets of records (along the last axis) instead of element by element; the range is then that of each
        column within its golden.
    """

    rows: bool = False
    _count: int = 0
    _worst: float = 0.0
    _worst_at: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _bounds: tuple[float, float] = field(default=(math.inf, -math.inf))

    def add(self, given: Tensor, expected: Tensor, golden: int) -> None:
        """Take in one golden. A wrong dtype or shape is an infinite difference; so is NaN where there was none."""
        if self.rows:
            apart = row_distances(given, expected)
        elif given.shape != expected.shape or given.dtype != expected.dtype:
            apart = np.array([math.inf])
        else:
            apart = distances(given, expected)
            finite = expected[np.isfinite(expected)].astype(np.float64, copy=False)
            if finite.size:
                low, high = self._bounds
                self._bounds = min(low, float(finite.min())), max(high, float(finite.max()))
        if not apart.size:
            return
        worst = float(apart.max())
        if worst > self._worst:
            self._worst, self._worst_at = worst, golden
        self._count += apart.size
        self._sum += float(apart.sum())
        self._squares += float(np.square(apart).sum())

    @property
    def range(self) -> float:
        """Of the expected values over all goldens; 0 where they are all the same, and for rows."""
        low, high = self._bounds
        return max(high - low, 0.0)

    def difference(self, least_range: float = 0.0) -> Difference:
        """What was gathered, as parts of the range, or of ``least_range`` if that is more; of 1 if both are 0."""
        scale = 1.0 if self.rows else max(self.range, least_range) or 1.0
        count = max(self._count, 1)
        return Difference(
            worst=min(self._worst / scale, LARGEST),
            rms=min(math.sqrt(self._squares / count) / scale, LARGEST),
            mean=min(self._sum / count / scale, LARGEST),
            worst_at=self._worst_at,
        )


def distances(given: Tensor, expected: Tensor) -> Floats:
    """Absolute differences, element by element; 0 where both are the same infinity or both NaN, else infinite there."""
    a, b = given.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    odd = ~np.isfinite(apart)
    if odd.any():
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        apart[odd] = np.where(same[odd], 0.0, math.inf)
    return apart.ravel()


def row_distances(given: Tensor, expected: Tensor) -> Floats:
    """For each record on either side the distance to the nearest one on the other: the largest difference of a column,
    as a part of that column's range. Copies of one record count as one, as in a list that is filled up.

    Infinite where one side has no records at all, or other columns.
    """
    if not given.size and not expected.size:
        return np.zeros(0)
    if not given.size or not expected.size or given.shape[-1] != expected.shape[-1]:
        return np.array([math.inf])
    a, b = (np.unique(_records(side), axis=0) for side in (given, expected))
    scale = np.ptp(b, axis=0)
    scale[scale == 0] = 1.0
    from_a, from_b = np.full(len(a), math.inf), np.full(len(b), math.inf)
    for index, record in enumerate(b):  # one at a time: all pairs at once may be gigabytes
        apart = (np.abs(a - record) / scale).max(axis=1)
        from_a = np.fmin(from_a, apart)
        from_b[index] = np.fmin.reduce(apart, initial=math.inf)
    return np.concatenate([from_a, from_b])


def _records(table: Tensor) -> Floats:
    return table.reshape(-1, table.shape[-1]).astype(np.float64)


def levels(given: Tensor, expected: Tensor, spec: InputSpec | None) -> Floats:
    """Absolute differences of two input tensors in levels of a picture's 0..255.

    ``spec``: how ``expected`` was normalised; without one a level is a 255th of the range of ``expected``.
    """
    if given.shape != expected.shape or given.dtype != expected.dtype:
        return np.array([math.inf])
    apart = distances(given, expected).reshape(expected.shape)
    if spec is None:
        finite = expected[np.isfinite(expected)]
        return (apart * (255.0 / (float(np.ptp(finite)) if finite.size and np.ptp(finite) else 1.0))).ravel()
    channel = 1 if spec.layout == "nchw" else 3
    scale = np.abs(np.array(spec.scale)).reshape([-1 if axis == channel else 1 for axis in range(4)])
    scaled: Floats = apart * scale
    return scaled.ravel()
