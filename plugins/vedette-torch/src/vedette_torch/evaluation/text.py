"""Evaluations for people: tables with intervals."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.cli.report import table
from vedette_torch.evaluation.evaluate import Evaluation
from vedette_torch.evaluation.parity import Parity
from vedette_torch.metrics.classification import ClassificationFigures
from vedette_torch.metrics.detection import DetectionFigures
from vedette_torch.metrics.figure import LEVEL, Figure

SHOWN = 30
"""Classes, and pictures of a comparison, that are listed; JSON has all."""
CONFUSED = 10
WIDEST = 28


def evaluation_text(evaluation: Evaluation) -> str:
    """The headline figures, then each class, the worst first."""
    figures = evaluation.figures
    rate = figures.n / evaluation.seconds if evaluation.seconds else 0.0
    lines = [
        str(evaluation.subject),
        f"on {evaluation.data}: {figures.n} pictures in {evaluation.seconds:.1f} s ({rate:.0f}/s)",
        "",
    ]
    lines += _classification(figures) if isinstance(figures, ClassificationFigures) else _detection(figures)
    lines += ["", f"in brackets: interval at {LEVEL:.0%}; n pictures unless it says otherwise"]
    lines += [f"note: {note}" for note in evaluation.notes]
    return "\n".join(lines)


def parity_text(parity: Parity) -> str:
    """The verdict, and the pictures that differ most."""
    before, after = parity.values
    interval = parity.difference.interval or (0.0, 0.0)
    lines = [
        f"parity with {parity.reference}: {'passed' if parity.passed else 'FAILED'}",
        f"  {parity.metric}  {after:.4f} instead of {before:.4f}: {(after - before) * 100:+.2f} points "
        f"({interval[0] * 100:+.2f} to {interval[1] * 100:+.2f}), allowed {parity.tolerance.points}",
        f"  agree  {parity.agreement} of {parity.agreement.n} findings, asked {parity.tolerance.agreement}",
        *(f"  {problem}" for problem in parity.problems),
    ]
    differing = [item for item in parity.samples if item.agreeing < item.total]
    if differing:
        lines += ["", f"{len(differing)} pictures differ"]
        lines += [f"  {i.path}: {i.agreeing} of {i.total}: {i.problem}" for i in differing[:SHOWN]]
    return "\n".join(lines)


def _classification(figures: ClassificationFigures) -> Iterator[str]:
    rows = [("top-1", figures.accuracy), *((f"top-{k}", value) for k, value in figures.top_k.items())]
    rows += [("macro F1", figures.macro_f1), ("calibration error", figures.calibration_error)]
    yield from _figures(rows)
    yield ""
    worst = sorted(figures.per_class, key=lambda item: item.f1.value if item.f1.value is not None else 2.0)
    yield from table(
        ["class", "n", "precision", "recall", "F1"],
        [[_short(c.label), c.recall.n, str(c.precision), str(c.recall), str(c.f1)] for c in worst[:SHOWN]],
    )
    yield from _more(len(worst))
    labels = [item.label for item in figures.per_class]
    mistakes = sorted(
        (
            (-count, labels[real], labels[said])
            for real, row in enumerate(figures.confusion)
            for said, count in enumerate(row)
            if count and real != said
        ),
    )
    if mistakes:
        yield ""
        yield "most frequent mistakes"
        yield from (
            f"  {-count:>5} x {_short(real)} taken for {_short(said)}"
            for count, real, said in mistakes[:CONFUSED]
        )


def _detection(figures: DetectionFigures) -> Iterator[str]:
    at = f"at confidence {figures.threshold:g}"
    rows = [("mAP50", figures.map50), ("mAP50-95", figures.map50_95)]
    rows += [
        (f"precision {at}, of boxes found", figures.precision),
        (f"recall {at}, of true boxes", figures.recall),
    ]
    yield from _figures(rows)
    yield ""
    worst = sorted(figures.per_class, key=lambda item: item.ap50.value or 0.0)
    yield from table(
        ["class", "boxes", "pictures", "AP50", "AP50-95"],
        [[_short(c.label), c.boxes, c.pictures, str(c.ap50), str(c.ap50_95)] for c in worst[:SHOWN]],
    )
    yield from _more(len(worst))


def _figures(rows: list[tuple[str, Figure]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {figure}  n = {figure.n}" for name, figure in rows]


def _more(number: int) -> Iterator[str]:
    if number > SHOWN:
        yield f"and {number - SHOWN} better ones; --json has all"


def _short(label: str) -> str:
    return label if len(label) <= WIDEST else f"{label[: WIDEST - 3]}..."
