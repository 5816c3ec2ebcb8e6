"""Whether two runs of a model say the same: train and serve, two backends, float and int8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vedette.proof.agreement import agreement
from vedette.results import Classification, Result
from vedette_torch.data.errors import DataError
from vedette_torch.evaluation.evaluate import Observed
from vedette_torch.evaluation.headline import difference, headline
from vedette_torch.evaluation.predictor import Subject
from vedette_torch.metrics.figure import Figure, Resampling, proportion


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """``points``: by how much the headline figure may differ, in points (hundredths). ``agreement``: the least part of
    findings that both have. ``margin``: findings agree if their confidences differ by no more; boxes nearer to the
    threshold do not count."""

    points: float = 0.3
    agreement: float = 0.99
    margin: float = 0.02


@dataclass(frozen=True, kw_only=True)
class SampleDifference:
    """One picture: the findings that both models have, of how many; the largest difference of a class's confidence
    (classifiers only); and the first finding that only one has, in words."""

    path: str
    agreeing: int
    total: int
    confidence: float | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far ``served`` is from ``reference``.

    ``difference`` is that of the metric, served less reference; its interval is of the difference itself, over the same
    resampled pictures. ``samples`` has every picture, those that differ most first. ``problems``: why it did not pass.
    """

    reference: Subject
    served: Subject
    tolerance: Tolerance
    metric: str
    values: tuple[float, float]
    difference: Figure
    agreement: Figure
    samples: tuple[SampleDifference, ...]
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Within the tolerance."""
        return not self.problems


def compare(
    reference: Observed,
    served: Observed,
    tolerance: Tolerance = Tolerance(),
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> Parity:
    """Compare what two models say of the same samples.

    Raises
    ------
    DataError
        They were not shown the same pictures, have different classes, or give results of different types.
    """
    paths = [[sample.path for sample in side.samples] for side in (reference, served)]
    if paths[0] != paths[1] or reference.labels != served.labels:
        what = "pictures" if paths[0] != paths[1] else "classes"
        raise DataError(
            f"{served.predictor.subject.name} and {reference.predictor.subject.name} were not judged on the same {what}"
        )
    if reference.predictor.result is not served.predictor.result:
        raise DataError(
            f"{served.predictor.subject.name} and {reference.predictor.subject.name} give results of different types"
        )
    samples = sorted(_samples(reference, served, tolerance.margin), key=_how_different)
    agreeing, total = sum(item.agreeing for item in samples), sum(item.total for item in samples)
    before, after = (headline(side, resampling) for side in (reference, served))
    agreed = proportion(agreeing, total)
    return Parity(
        reference=reference.predictor.subject,
        served=served.predictor.subject,
        tolerance=tolerance,
        metric=before.metric,
        values=(before.value, after.value),
        difference=difference(after, before, resampling),
        agreement=agreed,
        samples=tuple(samples),
        problems=tuple(_problems(before.metric, after.value - before.value, agreed, tolerance)),
    )


def _samples(reference: Observed, served: Observed, margin: float) -> Iterator[SampleDifference]:
    threshold = reference.predictor.threshold
    rows = zip(reference.samples, served.results, reference.results, strict=True)
    for sample, given, expected in rows:
        agreed = agreement(given, expected, margin, threshold)
        yield SampleDifference(
            path=str(sample.path),
            agreeing=agreed.agreeing,
            total=agreed.total,
            confidence=_confidence(given, expected),
            problem=agreed.problem,
        )


def _confidence(given: Result, expected: Result) -> float | None:
    """The largest difference of the confidence of a class that both tell."""
    if not isinstance(given, Classification) or not isinstance(expected, Classification):
        return None
    a, b = (dict(zip(side.class_id.flat, side.confidence.flat, strict=True)) for side in (given, expected))
    return max((abs(float(a[id_]) - float(b[id_])) for id_ in a.keys() & b.keys()), default=None)


def _how_different(item: SampleDifference) -> tuple[int, float, str]:
    return item.agreeing - item.total, -(item.confidence or 0.0), item.path


def _problems(metric: str, difference: float, agreed: Figure, tolerance: Tolerance) -> Iterator[str]:
    if abs(difference) * 100 > tolerance.points + 1e-9:
        yield f"{metric} differs by {difference * 100:+.2f} points, more than {tolerance.points}"
    if agreed.value is not None and agreed.value < tolerance.agreement:
        yield f"{agreed.value:.2%} of {agreed.n} findings agree, less than {tolerance.agreement:.2%}"
