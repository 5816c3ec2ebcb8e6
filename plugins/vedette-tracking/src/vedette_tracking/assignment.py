"""Who belongs to whom: pairs of rows and columns with the greatest total similarity.

The problem is solved exactly, by Jonker and Volgenant's algorithm (Computing 38, 1987) as the library ``lap`` has it.
Only rows and columns that compete are given to it: where a row and a column have nobody but each other, nothing is left
to solve, and in most frames that is everybody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and the columns that they were given, of equal length."""


def assign(similarity: NDArray[np.float64], allowed: NDArray[np.bool_]) -> Pairs:
    """The pairs with the greatest sum of ``similarity (n, m)``, 0..1, of those that are ``allowed (n, m)``.

    >>> rows, columns = assign(np.array([[0.9, 0.8], [0.8, 0.1]]), np.ones((2, 2), bool))
    >>> rows.tolist(), columns.tolist()
    ([0, 1], [1, 0])
    """
    if not allowed.any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    alone = allowed & (allowed.sum(axis=1, keepdims=True) == 1) & (allowed.sum(axis=0) == 1)
    rows, columns = np.nonzero(alone)
    competing = allowed & ~alone
    if not competing.any():
        return rows, columns
    rivals, prizes = np.flatnonzero(competing.any(axis=1)), np.flatnonzero(competing.any(axis=0))
    some = np.ix_(rivals, prizes)
    won, prize = _solve(similarity[some], allowed[some])
    return np.concatenate([rows, rivals[won]]), np.concatenate([columns, prizes[prize]])


def _solve(similarity: NDArray[np.float64], allowed: NDArray[np.bool_]) -> Pairs:
    """As :func:`assign`. To stay alone costs 1 per pair that is not made, a pair at most 1, and one that is not allowed
    more."""
    import lap  # type: ignore[import-untyped]

    cost = np.where(allowed, 1.0 - similarity, 3.0)
    _, column_of, _ = lap.lapjv(cost, extend_cost=True, cost_limit=1.0 + 1e-9)
    rows = np.flatnonzero(column_of >= 0)
    columns = column_of[rows].astype(np.intp)
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]
