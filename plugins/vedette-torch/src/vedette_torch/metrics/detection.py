"""How well a detector does: mAP by COCO's rules, and precision and recall at the threshold it is used with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample
from vedette_torch.metrics.average_precision import MOST, THRESHOLDS, average_precision, match, overlaps
from vedette_torch.metrics.figure import Figure, Resampling

FEWEST = 5
"""Pictures of a class without which its average precision has no interval: draws of so few say nothing."""
_CELLS = 4_000_000
"""Numbers in an array of a block of resamples."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClassDetection:
    """One class: its average precision, with the number of true boxes and of the pictures that have any. With fewer
    than :data:`FEWEST` of them there is no interval."""

    label: str
    boxes: int
    pictures: int
    ap50: Figure
    ap50_95: Figure


@dataclass(frozen=True, kw_only=True)
class DetectionFigures:
    """All figures of a detector.

    ``map50`` and ``map50_95`` are means over the classes that are in the truth, at an overlap of 0.5 and over 0.5, 0.55
    to 0.95. ``precision`` (of the boxes found) and ``recall`` (of the true boxes) are at ``threshold`` and overlap 0.5;
    their ``n`` counts boxes.
    """

    n: int
    boxes: int
    map50: Figure
    map50_95: Figure
    threshold: float
    precision: Figure
    recall: Figure
    per_class: tuple[ClassDetection, ...]


@dataclass(frozen=True, eq=False)
class _Matched:
    """One class over all pictures, in falling order of confidence: ``picture (n,)``, ``correct`` and ``void (10, n)``;
    ``n_truth (pictures,)``."""

    confidence: Floats
    picture: NDArray[np.int64]
    correct: NDArray[np.bool_]
    void: NDArray[np.bool_]
    n_truth: Floats


def detection_figures(
    truth: Sequence[BoxesSample],
    found: Sequence[Detections],
    labels: Sequence[str],
    threshold: float = 0.5,
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> DetectionFigures:
    """Judge what was found in each picture by what is in it.

    Boxes of all confidences should be in ``found`` (from 0.01, say): a threshold cuts off the end of the curve.

    Raises
    ------
    DataError
        There is no box to be found, or a class has no label.
    """
    matched = match_all(truth, found, labels)
    n = len(truth)
    whole = {id_: _ap(one, np.ones((1, n)))[0] for id_, one in matched.items()}
    resampled = {id_: _resample(one, n, resampling) for id_, one in matched.items()}
    map50, map50_95 = (
        resampling.figure(
            float(np.mean([pick(value) for value in whole.values()])),
            n,
            _mean([pick(value) for value in resampled.values()]),
        )
        for pick in (_at_50, _over_all)
    )
    counts = _Counts.at(threshold, matched, found)
    return DetectionFigures(
        n=n,
        boxes=int(counts.there.sum()),
        map50=map50,
        map50_95=map50_95,
        threshold=threshold,
        precision=_ratio(counts.right, counts.said, resampling),
        recall=_ratio(counts.right, counts.there, resampling),
        per_class=tuple(
            ClassDetection(
                label=labels[id_],
                boxes=int(one.n_truth.sum()),
                pictures=int((one.n_truth > 0).sum()),
                ap50=_figure(_at_50, one, whole[id_], resampled[id_], resampling),
                ap50_95=_figure(_over_all, one, whole[id_], resampled[id_], resampling),
            )
            for id_, one in matched.items()
        ),
    )


def _figure(
    pick: Callable[[Floats], Any], one: _Matched, value: Floats, resampled: Floats, resampling: Resampling
) -> Figure:
    pictures = int((one.n_truth > 0).sum())
    if pictures < FEWEST:
        return Figure(value=float(pick(value)), n=pictures)
    return resampling.figure(float(pick(value)), pictures, pick(resampled))


def map50_draws(
    truth: Sequence[BoxesSample], found: Sequence[Detections], labels: Sequence[str], resampling: Resampling
) -> tuple[float, Floats]:
    """mAP50, and that of each resample, ``(resampling.count,)``. The same pictures are drawn for every model, so that
    two can be compared draw by draw. Raises as :func:`detection_figures`."""
    matched = match_all(truth, found, labels).values()
    lowest = [replace(one, correct=one.correct[:1], void=one.void[:1]) for one in matched]
    value = np.mean([_ap(one, np.ones((1, len(truth)))) for one in lowest])
    return float(value), _mean([_resample(one, len(truth), resampling)[:, 0] for one in lowest])


def match_all(
    truth: Sequence[BoxesSample], found: Sequence[Detections], labels: Sequence[str]
) -> dict[int, _Matched]:
    """The classes that there are boxes of to find."""
    ids = np.concatenate([np.zeros(0, np.int32), *(sample.class_id for sample in truth)])
    if len(ids) and (ids.min() < 0 or ids.max() >= len(labels)):
        raise DataError(f"class {ids.max()} has no label: there are {len(labels)}")
    matched = {int(id_): _match_class(truth, found, id_) for id_ in np.unique(ids)}
    if not any(one.n_truth.any() for one in matched.values()):
        raise DataError("there is no box to be found, so that nothing can be said of a detector")
    return {id_: one for id_, one in matched.items() if one.n_truth.any()}


def _match_class(truth: Sequence[BoxesSample], found: Sequence[Detections], class_id: int) -> _Matched:
    """Match the boxes of a class, picture by picture."""
    confidence, picture, correct, void = [], [], [], []
    n_truth = np.zeros(len(truth))
    for index, (real, said) in enumerate(zip(truth, found, strict=True)):
        theirs = real.class_id == class_id
        mine = np.flatnonzero(said.class_id == class_id)
        mine = mine[np.argsort(-said.confidence[mine], kind="stable")][:MOST]
        crowd = _flags(real.crowd, theirs)
        ignored = _flags(real.ignore, theirs) | crowd
        n_truth[index] = np.count_nonzero(~ignored)
        if len(mine):
            boxes = said.xyxy[mine].astype(np.float64)
            right, no_matter = match(
                overlaps(boxes, real.xyxy[theirs].astype(np.float64), crowd), ignored, crowd
            )
            confidence.append(said.confidence[mine])
            picture.append(np.full(len(mine), index))
            correct.append(right)
            void.append(no_matter)
    nothing = np.zeros((len(THRESHOLDS), 0), bool)
    scores = np.concatenate([np.zeros(0), *confidence])
    order = np.argsort(-scores, kind="stable")
    return _Matched(
        confidence=scores[order],
        picture=np.concatenate([np.zeros(0, np.int64), *picture])[order],
        correct=np.concatenate([nothing, *correct], axis=1)[:, order],
        void=np.concatenate([nothing, *void], axis=1)[:, order],
        n_truth=n_truth,
    )


def _flags(flags: NDArray[np.bool_] | None, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    every = np.zeros(len(rows), np.bool_) if flags is None else flags
    kept: NDArray[np.bool_] = every[rows]
    return kept


def _ap(one: _Matched, weights: Floats) -> Floats:
    """``(resamples, thresholds)``; ``weights (resamples, pictures)``. Boxes after the last right one change nothing."""
    upto = int(np.flatnonzero(one.correct.any(axis=0)).max(initial=-1)) + 1
    return average_precision(
        weights[:, one.picture[:upto]], one.correct[:, :upto], one.void[:, :upto], weights @ one.n_truth
    )


def _resample(one: _Matched, n: int, resampling: Resampling) -> Floats:
    most = max(1, _CELLS // max(len(one.picture), 1))
    return np.concatenate([_ap(one, weights) for weights in resampling.weights(n, most)])


def _at_50(value: Floats) -> Any:
    return value[..., 0]


def _over_all(value: Floats) -> Any:
    return value.mean(axis=-1)


def _mean(values: list[Floats]) -> Floats:
    """Over the classes, of each resample: those that it holds none of are left out."""
    table = np.stack(values)
    there = ~np.isnan(table)
    counts = there.sum(axis=0)
    total = np.where(there, table, 0).sum(axis=0)
    mean: Floats = np.divide(total, counts, out=np.full(len(total), np.nan), where=counts > 0)
    return mean


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of each picture, ``(pictures,)``: boxes found with enough confidence, those of them that are right, true ones."""

    right: Floats
    said: Floats
    there: Floats

    @classmethod
    def at(cls, threshold: float, matched: Mapping[int, _Matched], found: Sequence[Detections]) -> _Counts:
        n, known = len(found), np.array(list(matched))
        right = np.zeros(n)
        said = np.array(
            [((one.confidence >= threshold) & ~np.isin(one.class_id, known)).sum() for one in found],
            np.float64,
        )  # of classes that are nowhere in the truth: all of them wrong
        for one in matched.values():
            counted = (one.confidence >= threshold) & ~one.void[0]
            said += np.bincount(one.picture[counted], minlength=n)
            right += np.bincount(one.picture[counted & one.correct[0]], minlength=n)
        return cls(right, said, np.sum([one.n_truth for one in matched.values()], axis=0))


def _ratio(part: Floats, whole: Floats, resampling: Resampling) -> Figure:
    """A share of boxes. Boxes of one picture are not independent: the interval is over pictures."""
    total = int(whole.sum())
    draws = []
    for weights in resampling.weights(len(whole), max(1, _CELLS // len(whole))):
        drawn = weights @ whole
        draws.append(np.divide(weights @ part, drawn, out=np.full_like(drawn, np.nan), where=drawn > 0))
    return resampling.figure(float(part.sum() / total) if total else None, total, np.concatenate(draws))
