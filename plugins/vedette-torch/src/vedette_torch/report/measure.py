"""Measure what a report is of, now: figures, curves, mistakes, and how far training and serving are apart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, cast

from vedette.frame import Decode
from vedette.machine import describe_machine
from vedette.results import Detections
from vedette_torch.data.pictures import Progress
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample
from vedette_torch.evaluation.evaluate import Observed, judge, observe
from vedette_torch.evaluation.parity import compare
from vedette_torch.evaluation.predictor import Predictor
from vedette_torch.metrics.precision_recall import Curve, precision_recall
from vedette_torch.report.facts import Facts, Measured
from vedette_torch.report.mistakes import worst_mistakes


class Open(Protocol):
    """Opens a model by the name of a source."""

    def __call__(self, model: str) -> AbstractContextManager[Predictor]: ...


def measure(
    facts: Facts,
    models: Sequence[str],
    open_model: Open,
    dataset: Dataset[ImageSample] | Dataset[BoxesSample],
    title: str,
    decode: Decode,
    *,
    most: int,
    progress: Progress | None = None,
) -> Facts:
    """Run ``models``, the reference first, over a data set, and add to ``facts`` what comes of it.

    Parameters
    ----------
    title
        What the data set is called in the report.
    most
        Mistakes that are kept: of the last model, which is what is served.

    Raises
    ------
    VedetteError
        A model cannot be opened or fails, a picture cannot be read, or their classes do not fit.
    """
    seen: list[Observed] = []
    for model in models:
        with open_model(model) as predictor:
            seen.append(observe(predictor, dataset, decode, progress))
    if not seen:
        return facts
    machine = describe_machine()
    served = seen[-1]
    parities = [compare(reference, served) for reference in seen[:-1]]
    return replace(
        facts,
        evaluations=(
            *(Measured(evaluation=judge(one, title), machine=machine) for one in reversed(seen)),
            *facts.evaluations,
        ),
        parities=(*parities, *facts.parities),
        mistakes=worst_mistakes(served, most),
        curves=_curves(served),
        looked_at=served.predictor.subject.name,
    )


def _curves(observed: Observed) -> dict[str, Curve]:
    if not issubclass(observed.predictor.result, Detections):
        return {}
    truth = cast(Sequence[BoxesSample], observed.samples)
    return dict(precision_recall(truth, cast(Sequence[Detections], observed.results), observed.labels))
