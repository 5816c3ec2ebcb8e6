"""Which training samples make up which batch: a function of the seed and the epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def epoch_order(seed: int, epoch: int, n: int, weights: NDArray[np.float64] | None = None) -> Indices:
    """``(n,)``: the samples of an epoch in order; each of ``n`` once, or with ``weights (n,)`` drawn ``n`` times by
    weight, so that some come several times and some not at all."""
    rng = np.random.default_rng([seed, epoch])
    if weights is None:
        return rng.permutation(n)
    return rng.choice(n, n, p=weights / weights.sum())


def balanced_weights(class_id: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(n,)``: weights by which each class that occurs in ``class_id (n,)`` is drawn equally often."""
    counts = np.bincount(class_id)
    weights: NDArray[np.float64] = 1.0 / counts[class_id]
    return weights


def class_weights(counts: Sequence[int]) -> NDArray[np.float64]:
    """``(k,)``: weights in inverse relation to how often each class occurs, 1 on average over the samples."""
    n = np.maximum(np.asarray(counts, np.float64), 1)
    weights: NDArray[np.float64] = n.sum() / (len(n) * n)
    return weights
