"""The curve behind an average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.results import Detections
from vedette_torch.data.samples import BoxesSample
from vedette_torch.metrics.average_precision import RECALLS
from vedette_torch.metrics.detection import match_all

MEAN = "mean of classes"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """At each of :data:`~vedette_torch.metrics.average_precision.RECALLS`, ``(101,)`` from 0 to 1, the best precision
    at that recall or a higher one, at an overlap of 0.5; 0 where the recall is not reached. Its mean is the average
    precision."""

    precision: tuple[float, ...]


def precision_recall(
    truth: Sequence[BoxesSample], found: Sequence[Detections], labels: Sequence[str]
) -> Mapping[str, Curve]:
    """The curve of each class that is in the truth, after :data:`MEAN` of them, whose mean is mAP50.

    Raises
    ------
    DataError
        There is no box to be found, or a class has no label.
    """
    curves = {}
    for class_id, one in match_all(truth, found, labels).items():
        right, counted = one.correct[0], ~one.void[0]
        hits, said = np.cumsum(right), np.cumsum(counted)
        precision = np.divide(hits, said, out=np.zeros(len(hits)), where=said > 0)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        recall = hits / one.n_truth.sum()
        at = np.searchsorted(recall, RECALLS, side="left")
        curves[labels[class_id]] = np.append(best, 0.0)[at]
    mean = {MEAN: np.mean(list(curves.values()), axis=0)}
    return {name: Curve(precision=tuple(values.tolist())) for name, values in (mean | curves).items()}
