"""Means over blocks of a map. What is unusual has an extent: noise of single pixels averages out over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def block_means(cells: NDArray[Any], size: int) -> NDArray[np.float32]:
    """The mean over each block of ``size`` x ``size`` cells of ``(n, h, w)``: ``(n, h - size + 1, w - size + 1)``.

    A map that is smaller than a block is one block.

    >>> block_means(np.arange(6.0).reshape(1, 2, 3), 2)
    array([[[2., 3.]]], dtype=float32)
    """
    _, height, width = cells.shape
    high, wide = min(size, height), min(size, width)
    sums = np.zeros((len(cells), height + 1, width + 1))
    sums[:, 1:, 1:] = cells.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    total = sums[:, high:, wide:] - sums[:, :-high, wide:] - sums[:, high:, :-wide] + sums[:, :-high, :-wide]
    means: NDArray[np.float32] = (total / (high * wide)).astype(np.float32)
    return means
