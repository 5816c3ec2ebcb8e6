"""The functions that make probabilities of scores, where the graph does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``1 / (1 + exp(-x))``, element by element."""
    with np.errstate(over="ignore"):  # 1 / infinity is the right answer
        one = np.ones_like(x)
        return one / (one + np.exp(-x))


def softmax(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``exp(x) / sum(exp(x))`` along the last axis. NaN where that holds NaN or infinity."""
    with np.errstate(invalid="ignore"):
        power: NDArray[np.float32] = np.exp(x - x.max(axis=-1, keepdims=True))
    power /= power.sum(axis=-1, keepdims=True)
    return power
