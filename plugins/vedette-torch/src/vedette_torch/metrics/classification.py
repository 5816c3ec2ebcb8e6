"""How well a classifier does.

The same figures as torchmetrics', by numpy: a box that judges itself has no torch. Tests hold them against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.errors import DataError
from vedette_torch.metrics.figure import Figure, Resampling, proportion

BINS = 15
"""Bins of the calibration error, as in Guo et al. 2017."""
TOP = (2, 3, 5)
"""``k`` of the top-k accuracies that are told."""
_BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class. ``precision``: of the pictures called so, those that are; ``recall``: of those that are, those called
    so; ``f1``: their harmonic mean, 0 where the class was never right."""

    label: str
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Pictures whose confidence lies in ``(low, high]``: how confident on average, and how often right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class ClassificationFigures:
    """All figures of a classifier.

    ``top_k`` by ``k``, as far as the model tells its ``k`` best; ``macro_f1`` is the mean over the classes of
    ``per_class``: those that are in the data or that the model said, in the order of the labels, which is also that of
    ``confusion[true][said]``, in pictures; ``calibration_error`` is the expected one over :data:`BINS` equal bins of
    confidence (Guo et al. 2017, "On Calibration of Modern Neural Networks"): 0 where it is right as often as it says.
    """

    n: int
    accuracy: Figure
    top_k: dict[int, Figure]
    macro_f1: Figure
    calibration_error: Figure
    per_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]


def classification_figures(
    truth: NDArray[np.int32],
    said: NDArray[np.int32],
    confidence: NDArray[np.float32],
    labels: Sequence[str],
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> ClassificationFigures:
    """Judge predictions.

    Parameters
    ----------
    truth
        ``(n,)``, the class of each picture.
    said, confidence
        ``(n, k)``, the ``k`` best classes of each picture, best first, and their confidences 0..1.

    Raises
    ------
    DataError
        There is no picture, or a class has no label.
    """
    n = len(said)
    if n == 0:
        raise DataError("there is no picture to judge the model by")
    if min(truth.min(), said.min()) < 0 or max(truth.max(), said.max()) >= len(labels):
        raise DataError(f"class {max(truth.max(), said.max())} has no label: there are {len(labels)}")
    right = said == truth[:, None]
    f1, macro = _f1(truth, said[:, 0], len(labels), resampling)
    occurring = np.union1d(truth, said[:, 0])
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, said[:, 0]), 1)
    return ClassificationFigures(
        n=n,
        accuracy=proportion(int(right[:, 0].sum()), n),
        top_k=_top_k(right, len(labels)),
        macro_f1=macro,
        calibration_error=_calibration(confidence[:, 0], right[:, 0], resampling),
        per_class=tuple(
            ClassFigures(
                label=labels[row],
                precision=proportion(int(confusion[row, row]), int(confusion[:, row].sum())),
                recall=proportion(int(confusion[row, row]), int(confusion[row].sum())),
                f1=f1[row],
            )
            for row in occurring.tolist()
        ),
        confusion=tuple(tuple(row) for row in confusion[np.ix_(occurring, occurring)].tolist()),
        reliability=_reliability(confidence[:, 0], right[:, 0]),
    )


def _top_k(right: NDArray[np.bool_], classes: int) -> dict[int, Figure]:
    n, known = right.shape
    return {k: proportion(int(right[:, :k].any(axis=1).sum()), n) for k in TOP if k <= known and k < classes}


def _f1(
    truth: NDArray[np.int32], said: NDArray[np.int32], classes: int, resampling: Resampling
) -> tuple[list[Figure], Figure]:
    """Of each class, and their mean over the classes that are in the truth or were said."""
    n = len(truth)
    both = np.where(truth == said, truth, classes)  # the last group: those that were wrong
    value = _harmonic(np.ones((1, n)), truth, said, both, classes)
    blocks = [_harmonic(weights, truth, said, both, classes) for weights in resampling.weights(n, _BLOCK)]
    resampled = np.concatenate(blocks)
    counts = np.bincount(truth, minlength=classes)
    per_class = [
        resampling.figure(_known(value[0, row]), int(counts[row]), resampled[:, row])
        for row in range(classes)
    ]
    macro = resampling.figure(float(np.nanmean(value)), n, np.nanmean(resampled, axis=1))
    return per_class, macro


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _harmonic(
    weights: NDArray[np.float64],
    truth: NDArray[np.int32],
    said: NDArray[np.int32],
    both: NDArray[np.int32],
    classes: int,
) -> NDArray[np.float64]:
    """``(resamples, classes)``: F1 of each class, NaN where it neither is nor is said."""
    total = _sums(weights, truth, classes) + _sums(weights, said, classes)
    twice = 2 * _sums(weights, both, classes)
    found: NDArray[np.float64] = np.divide(twice, total, out=np.full_like(total, np.nan), where=total > 0)
    return found


def _sums(weights: NDArray[np.float64], group: NDArray[np.int32], groups: int) -> NDArray[np.float64]:
    """``(resamples, groups)``: the weights of each of the first ``groups`` groups, added up."""
    order = np.argsort(group, kind="stable")
    upto = np.pad(np.cumsum(weights[:, order], axis=1), ((0, 0), (1, 0)))
    ends = np.searchsorted(group[order], np.arange(groups + 1))
    summed: NDArray[np.float64] = np.diff(upto[:, ends], axis=1)
    return summed


def _bin_of(confidence: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)


def _calibration(confidence: NDArray[np.float32], right: NDArray[np.bool_], resampling: Resampling) -> Figure:
    """Sum over the bins of how far confidence and accuracy are apart, weighted by the bin's share of the pictures."""
    n = len(confidence)
    gap = np.zeros((n, BINS))
    gap[np.arange(n), _bin_of(confidence)] = confidence - right
    value = float(np.abs(gap.sum(axis=0)).sum() / n)
    blocks = [np.abs(weights @ gap).sum(axis=1) / n for weights in resampling.weights(n, _BLOCK)]
    return resampling.figure(value, n, np.concatenate(blocks))


def _reliability(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    bins = _bin_of(confidence)
    return tuple(
        Bin(
            low=at / BINS,
            high=(at + 1) / BINS,
            n=int(mine.sum()),
            confidence=float(confidence[mine].mean()),
            accuracy=float(right[mine].mean()),
        )
        for at in range(BINS)
        if (mine := bins == at).any()
    )
