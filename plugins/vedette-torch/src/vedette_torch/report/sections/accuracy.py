"""How good the model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vedette_torch.evaluation.evaluate import Evaluation
from vedette_torch.metrics.average_precision import RECALLS
from vedette_torch.metrics.classification import ClassificationFigures
from vedette_torch.metrics.detection import DetectionFigures
from vedette_torch.metrics.figure import LEVEL, Figure
from vedette_torch.metrics.precision_recall import MEAN, Curve
from vedette_torch.report.charts.confusion import SHOWN, confusion_chart
from vedette_torch.report.charts.lines import STYLES, Series, line_chart
from vedette_torch.report.charts.reliability import reliability_chart
from vedette_torch.report.facts import Facts
from vedette_torch.report.markup import Markup, join, table, tag
from vedette_torch.report.sections.parts import Section, charts, figure_cell, figure_text, not_measured, note

CONFUSED = 10
CLASSES = 60
"""Rows of a table of classes; of more, the worst."""


def accuracy(facts: Facts) -> Section:
    """Headline figures of all evaluations, then the first one of each set of data in detail."""
    title = "Accuracy"
    if not facts.evaluations:
        model = facts.bundle.path.name if facts.bundle else facts.run.path.name if facts.run else "MODEL"
        command = f"vedette evaluate {model} --data DATA --json > evaluation.json"
        return Section(anchor="accuracy", title=title, body=not_measured("Accuracy", command))
    evaluations = [one.evaluation for one in facts.evaluations]
    shown = facts.headline.evaluation if facts.headline else evaluations[0]
    body = join(
        (
            _overview(evaluations),
            note(f"In brackets, and as a bar: interval at {LEVEL:.0%}. {_methods(shown)}"),
            [note(f"Note: {text}") for text in dict.fromkeys(text for e in evaluations for text in e.notes)],
            tag("h3", f"{shown.subject.name} on {shown.data}") if len(evaluations) > 1 else None,
            list(_detail(shown, facts.curves)),
        )
    )
    return Section(anchor="accuracy", title=title, body=body)


def headlines(evaluation: Evaluation) -> Mapping[str, Figure]:
    """The figures of a whole model, by name."""
    figures = evaluation.figures
    if isinstance(figures, ClassificationFigures):
        top = {f"top-{k}": value for k, value in figures.top_k.items()}
        rest = {"macro F1": figures.macro_f1, "calibration error": figures.calibration_error}
        return {"top-1": figures.accuracy, **top, **rest}
    at = f"at confidence {figures.threshold:g}"
    return {
        "mAP50": figures.map50,
        "mAP50-95": figures.map50_95,
        f"precision {at}": figures.precision,
        f"recall {at}": figures.recall,
    }


def _overview(evaluations: list[Evaluation]) -> Markup:
    """A row for each figure, a column for each evaluation."""
    found = [headlines(one) for one in evaluations]
    names = list(dict.fromkeys(name for figures in found for name in figures))
    rows = [
        [name, *(_of(figures[name], detailed=len(found) < 3) if name in figures else "" for figures in found)]
        for name in names
    ]
    header = [tag("span", str(one.subject), tag("span", one.data, class_="file")) for one in evaluations]
    caption = "Figures; n counts pictures, for precision and recall of detectors boxes"
    return table(caption, ["", *header], rows)


def _of(figure: Figure, *, detailed: bool) -> Markup:
    words = tag("span", f"n = {figure.n}", class_="quiet")
    shown = figure_cell(figure) if detailed else tag("span", figure_text(figure))
    return tag("span", shown, words, class_="figure")


def _methods(evaluation: Evaluation) -> str:
    methods = dict.fromkeys(figure.method for figure in headlines(evaluation).values() if figure.method)
    return f"Made by: {'; '.join(methods)}." if methods else ""


def _detail(evaluation: Evaluation, curves: Mapping[str, Curve]) -> Iterator[Markup]:
    figures = evaluation.figures
    if isinstance(figures, ClassificationFigures):
        yield from _classifier(figures)
    else:
        yield from _detector(figures, curves)


def _classifier(figures: ClassificationFigures) -> Iterator[Markup]:
    labels = [item.label for item in figures.per_class]
    yield charts(
        {
            "Confusion: what each class was taken for": confusion_chart(labels, figures.confusion),
            "Calibration: is it right as often as it says?": reliability_chart(figures.reliability),
        }
    )
    if len(labels) > SHOWN:
        yield note(f"The matrix has the {SHOWN} of {len(labels)} classes with most mistakes.")
    yield _mistaken(labels, figures)
    worst = sorted(figures.per_class, key=lambda c: 2.0 if c.f1.value is None else c.f1.value)[:CLASSES]
    yield table(
        _caption("Each class, the worst first", len(labels)),
        ["class", "pictures", "precision", "recall", "F1"],
        [
            [c.label, c.recall.n, figure_cell(c.precision), figure_cell(c.recall), figure_cell(c.f1)]
            for c in worst
        ],
        numbers=[1],
    )


def _mistaken(labels: list[str], figures: ClassificationFigures) -> Markup:
    mistakes = sorted(
        (-count, labels[real], labels[said], sum(row))
        for real, row in enumerate(figures.confusion)
        for said, count in enumerate(row)
        if count and real != said
    )[:CONFUSED]
    if not mistakes:
        return note(f"None of {figures.n} pictures was mistaken.")
    return table(
        "Most frequent mistakes",
        ["true class", "taken for", "pictures", "of its pictures"],
        [[real, said, -count, f"{-count / total:.1%}"] for count, real, said, total in mistakes],
        numbers=[2, 3],
    )


def _detector(figures: DetectionFigures, curves: Mapping[str, Curve]) -> Iterator[Markup]:
    if curves:
        yield charts({"Precision over recall": _curve(curves)})
        yield note(
            "Best precision at each recall or a higher one, at an overlap of 0.5: its mean is the average precision. "
            + (f"Beside the mean, the {STYLES - 1} worst classes." if len(curves) > STYLES else "")
        )
    else:
        command = "vedette report MODEL … --data DATA --out report.html"
        yield not_measured("The curve of precision and recall", command)
    worst = sorted(figures.per_class, key=lambda c: c.ap50.value or 0.0)[:CLASSES]
    yield table(
        _caption("Each class, the worst first", len(figures.per_class)),
        ["class", "boxes", "pictures", "AP50", "AP50-95"],
        [[c.label, c.boxes, c.pictures, figure_cell(c.ap50), figure_cell(c.ap50_95)] for c in worst],
        numbers=[1, 2],
    )


def _curve(curves: Mapping[str, Curve]) -> Markup:
    worst = sorted((name for name in curves if name != MEAN), key=lambda name: sum(curves[name].precision))[
        : STYLES - 1
    ]
    return line_chart(
        [
            Series(name=name, points=list(zip(RECALLS.tolist(), curves[name].precision, strict=True)))
            for name in (MEAN, *worst)
        ],
        title="Precision over recall",
        x_label="recall",
        y_label="precision",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
    )


def _caption(what: str, classes: int) -> str:
    return what if classes <= CLASSES else f"{what}: {CLASSES} of {classes}"
