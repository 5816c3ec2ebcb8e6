"""The pictures that a model is most wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification, Detections
from vedette_torch.data.samples import BoxesSample, ImageSample
from vedette_torch.evaluation.evaluate import NO_THRESHOLD, Observed
from vedette_torch.metrics.average_precision import match, overlaps

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A box in pixels of the upright picture. ``wrong``: found where there is none, or there and not found."""

    xyxy: Box
    label: str
    real: bool
    wrong: bool
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A picture, what is wrong in words, how bad it is (to sort by; only within one model), and for a detector the
    boxes."""

    path: Path
    says: str
    badness: float
    boxes: tuple[Seen, ...] = ()


def worst_mistakes(observed: Observed, most: int) -> list[Mistake]:
    """At most ``most`` mistakes, the worst first: of a classifier those it was surest of, of a detector the pictures
    with most boxes that are wrong or missed at its threshold."""
    if issubclass(observed.predictor.result, Detections):
        found = [
            _of_boxes(cast(BoxesSample, sample), cast(Detections, result), observed)
            for sample, result in zip(observed.samples, observed.results, strict=True)
        ]
    else:
        found = [
            _of_class(cast(ImageSample, sample), cast(Classification, result), observed.labels)
            for sample, result in zip(observed.samples, observed.results, strict=True)
        ]
    mistakes = [mistake for mistake in found if mistake is not None]
    return sorted(mistakes, key=lambda mistake: (-mistake.badness, mistake.path))[:most]


def _of_class(sample: ImageSample, result: Classification, labels: Sequence[str]) -> Mistake | None:
    said, confidence = int(result.class_id[0, 0]), float(result.confidence[0, 0])
    if said == sample.class_id:
        return None
    of_truth = result.confidence[0][result.class_id[0] == sample.class_id]
    own = f", to it {of_truth[0]:.2f}" if len(of_truth) else ""
    return Mistake(
        path=sample.path,
        says=f"{labels[sample.class_id]} taken for {labels[said]} ({confidence:.2f}{own})",
        badness=confidence,
    )


def _of_boxes(sample: BoxesSample, result: Detections, observed: Observed) -> Mistake | None:
    sure = result.confidence >= (observed.predictor.threshold or NO_THRESHOLD)
    boxes: list[Seen] = []
    for class_id in np.union1d(result.class_id[sure], sample.class_id).tolist():
        boxes += _of_one_class(
            sample, result, sure & (result.class_id == class_id), class_id, observed.labels
        )
    extra = sum(box.wrong and not box.real for box in boxes)
    missed = sum(box.wrong and box.real for box in boxes)
    if not extra + missed:
        return None
    words = [f"{extra} wrong" if extra else "", f"{missed} missed" if missed else ""]
    return Mistake(
        path=sample.path,
        says=", ".join(filter(None, words)) + f" of {sum(box.real for box in boxes)}",
        badness=extra + missed,
        boxes=tuple(boxes),
    )


def _of_one_class(
    sample: BoxesSample, result: Detections, mine: NDArray[np.bool_], class_id: int, labels: Sequence[str]
) -> list[Seen]:
    """Boxes of a class in a picture, matched at an overlap of 0.5 as the figures are."""
    rows = np.flatnonzero(mine)
    rows = rows[np.argsort(-result.confidence[rows], kind="stable")]
    theirs = np.flatnonzero(sample.class_id == class_id)
    none = np.zeros(len(sample.class_id), np.bool_)
    crowd = (none if sample.crowd is None else sample.crowd)[theirs]
    ignored = (none if sample.ignore is None else sample.ignore)[theirs] | crowd
    shared = overlaps(result.xyxy[rows].astype(float), sample.xyxy[theirs].astype(float), crowd)
    right, void = (levels[0] for levels in match(shared, ignored, crowd))
    reached = _reached(shared, right) if len(theirs) else np.zeros(0, np.bool_)
    label = labels[class_id]
    found = [
        Seen(
            xyxy=_box(result.xyxy[row]),
            label=label,
            real=False,
            wrong=not (ok or no_matter),
            confidence=float(result.confidence[row]),
        )
        for row, ok, no_matter in zip(rows, right, void, strict=True)
    ]
    return found + [
        Seen(xyxy=_box(sample.xyxy[row]), label=label, real=True, wrong=not hit)
        for row, hit, free in zip(theirs, reached, ignored, strict=True)
        if not free
    ]


def _reached(shared: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which true boxes were found: each box that is right takes the free one that it overlaps best."""
    taken = np.zeros(shared.shape[1], np.bool_)
    for row in np.flatnonzero(right):
        taken[np.where(taken, -1.0, shared[row]).argmax()] = True
    return taken


def _box(xyxy: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = (float(value) for value in xyxy)
    return x0, y0, x1, y1
