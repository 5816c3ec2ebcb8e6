"""The one figure that models are compared by, and by how much it differs between two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample
from vedette_torch.evaluation.evaluate import Observed, classes_said
from vedette_torch.metrics.detection import map50_draws
from vedette_torch.metrics.figure import Figure, Resampling, proportion

_BLOCK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Headline:
    """``top1`` of a classifier, ``mAP50`` of a detector; ``draws (resampling.count,)`` is its value on each resample of
    the pictures."""

    metric: str
    figure: Figure
    draws: NDArray[np.float64]

    @property
    def value(self) -> float:
        """0..1."""
        assert self.figure.value is not None  # there is a sample
        return self.figure.value


def headline(
    observed: Observed,
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> Headline:
    """The figure of a model that was observed.

    Raises
    ------
    DataError
        There is no box to be found.
    VedetteError
        A classifier said nothing of a picture.
    """
    n = len(observed.samples)
    if issubclass(observed.predictor.result, Detections):
        truth = cast(Sequence[BoxesSample], observed.samples)
        found = cast(Sequence[Detections], observed.results)
        value, draws = map50_draws(truth, found, observed.labels, resampling)
        return Headline(metric="mAP50", figure=resampling.figure(value, n, draws), draws=draws)
    real, said, _ = classes_said(observed)
    right = (said[:, 0] == real).astype(np.float64)
    blocks = [weights @ right for weights in resampling.weights(n, _BLOCK)]
    return Headline(
        metric="top1", figure=proportion(int(right.sum()), n), draws=np.concatenate(blocks) / len(right)
    )


def difference(
    minuend: Headline,
    subtrahend: Headline,
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> Figure:
    """How much higher one is than the other on the same pictures. Both are on the same resamples, so that the interval
    is that of the difference, and much narrower than those of the two.

    Raises
    ------
    DataError
        They are not of as many pictures, or not the same figure.
    """
    if (minuend.metric, minuend.figure.n) != (subtrahend.metric, subtrahend.figure.n):
        raise DataError("two models were not judged by the same figure on the same pictures")
    return resampling.figure(
        minuend.value - subtrahend.value, minuend.figure.n, minuend.draws - subtrahend.draws
    )
