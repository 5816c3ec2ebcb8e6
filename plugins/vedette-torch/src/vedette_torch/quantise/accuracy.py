"""How right results are: top-1 of classifiers, mAP50 of detectors, and how far two models are apart.

A metric has two steps, what one picture tells and what many of them come to, so that two models can be compared on the
same resampled pictures: the interval of a difference is much narrower than those of the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification, Detections, Result
from vedette_torch.data.samples import BoxesSample, ImageSample
from vedette_torch.metrics.average_precision import MOST, average_precision, overlaps
from vedette_torch.metrics.average_precision import match as match_boxes
from vedette_torch.metrics.figure import Figure, Resampling, proportion
from vedette_torch.quantise.errors import QuantiseError

EvidenceT = TypeVar("EvidenceT")
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BLOCK = 64
"""Resamples at once."""
AT_50 = 0
"""The position of 0.5 among the overlaps."""


@dataclass(frozen=True, kw_only=True)
class Metric(Generic[EvidenceT]):
    """``evidence``: what a result tells of a picture; ``values``: 0..1, ``(b,)``, of the evidence of ``n`` pictures,
    weighted by ``(b, n)``; ``figure``: of all of it, with its interval."""

    name: str
    evidence: Callable[[Any, Any], EvidenceT]
    values: Callable[[Sequence[EvidenceT], Floats], Floats]
    figure: Callable[[Sequence[EvidenceT]], Figure]


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """What a detector did on one picture, at an overlap of 0.5. Of each box found: ``confidence``, ``class_id``,
    whether it is ``correct``, and whether it is ``void``, neither right nor wrong; ``truth``: boxes by class."""

    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    correct: Bools
    void: Bools
    truth: NDArray[np.int64]


def metric_for(result: type[Result], classes: int) -> Metric[Any]:
    """The metric of a kind of result.

    Raises
    ------
    QuantiseError
        There is none.
    """
    if issubclass(result, Classification):
        return Metric(
            name="top1",
            evidence=_is_right,
            values=lambda hits, weights: weights @ np.array(hits, np.float64) / weights.sum(axis=1),
            figure=lambda hits: proportion(sum(hits), len(hits)),
        )
    if issubclass(result, Detections):
        return Metric(
            name="mAP50",
            evidence=partial(match, classes),
            values=mean_precision,
            figure=_mean_precision_figure,
        )
    raise QuantiseError(
        f"there is no metric for results of type {result.type!r}",
        fix="models that classify or detect can be measured",
    )


def drop_interval(
    metric: Metric[EvidenceT], before: Sequence[EvidenceT], after: Sequence[EvidenceT]
) -> tuple[float, float]:
    """Interval at 95 % of ``value(before) - value(after)``, both on the same resampled pictures."""
    differences = [
        metric.values(before, weights) - metric.values(after, weights)
        for weights in Resampling().weights(len(before), BLOCK)
    ]
    low, high = np.nanquantile(np.concatenate(differences), (0.025, 0.975))
    return float(low), float(high)


def match(classes: int, result: Detections, sample: BoxesSample) -> Matches:
    """Pair what was found with the truth, class by class, as :mod:`vedette_torch.metrics.average_precision` does."""
    size = len(sample.class_id)
    crowd, ignore = (
        np.zeros(size, bool) if given is None else given for given in (sample.crowd, sample.ignore)
    )
    ignored = ignore | crowd
    rows: list[NDArray[np.intp]] = []
    correct: list[Bools] = []
    void: list[Bools] = []
    for class_id in np.unique(result.class_id):
        mine = np.flatnonzero(result.class_id == class_id)
        mine = mine[np.argsort(-result.confidence[mine], kind="stable")][:MOST]
        theirs = sample.class_id == class_id
        overlap = overlaps(
            result.xyxy[mine].astype(np.float64), sample.xyxy[theirs].astype(np.float64), crowd[theirs]
        )
        right, no_matter = match_boxes(overlap, ignored[theirs], crowd[theirs])
        rows.append(mine)
        correct.append(right[AT_50])
        void.append(no_matter[AT_50])
    order = np.concatenate([np.zeros(0, np.intp), *rows])
    return Matches(
        confidence=result.confidence[order],
        class_id=result.class_id[order],
        correct=np.concatenate([np.zeros(0, bool), *correct]),
        void=np.concatenate([np.zeros(0, bool), *void]),
        truth=np.bincount(sample.class_id[~ignored], minlength=classes),
    )


def mean_precision(evidence: Sequence[Matches], weights: Floats) -> Floats:
    """Mean over the classes that occur of the average precision, of each resample; NaN where none occurs."""
    truth = np.stack([item.truth for item in evidence]).astype(np.float64)
    picture = np.repeat(np.arange(len(evidence)), [len(item.confidence) for item in evidence])
    columns = [
        np.concatenate([getattr(item, name) for item in evidence])
        for name in ("confidence", "class_id", "correct", "void")
    ]
    order = np.argsort(-columns[0], kind="stable")
    picture, class_id, correct, void = (column[order] for column in (picture, *columns[1:]))
    found = [
        average_precision(
            weights[:, picture[mine]], correct[None, mine], void[None, mine], weights @ truth[:, item]
        )[:, 0]
        for item in np.flatnonzero(truth.sum(axis=0))
        for mine in [np.flatnonzero(class_id == item)]
    ]
    table = np.stack(found) if found else np.full((1, len(weights)), np.nan)
    counts = (~np.isnan(table)).sum(axis=0)
    mean: Floats = np.full(len(weights), np.nan)
    np.divide(np.nansum(table, axis=0), counts, out=mean, where=counts > 0)
    return mean


def _mean_precision_figure(evidence: Sequence[Matches]) -> Figure:
    value = float(mean_precision(evidence, np.ones((1, len(evidence))))[0])
    if np.isnan(value):
        raise QuantiseError("no picture has a box to find, so nothing can be said of a detector")
    resampling = Resampling()
    blocks = [mean_precision(evidence, weights) for weights in resampling.weights(len(evidence), BLOCK)]
    return resampling.figure(value, len(evidence), np.concatenate(blocks))


def _is_right(result: Classification, sample: ImageSample) -> bool:
    return bool(result.class_id.size and result.class_id[0, 0] == sample.class_id)
