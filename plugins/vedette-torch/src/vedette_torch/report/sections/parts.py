"""What sections are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vedette_torch.metrics.figure import Figure
from vedette_torch.report.charts.interval import interval_chart
from vedette_torch.report.markup import Markup, join, tag


@dataclass(frozen=True, kw_only=True)
class Section:
    """``anchor`` is its address within the page."""

    anchor: str
    title: str
    body: Markup


def not_measured(what: str, command: str) -> Markup:
    """Says so, and how to measure it. Nothing is put in its place."""
    return tag("p", f"{what}: not measured. ", tag("code", command), class_="missing")


def note(*content: Any) -> Markup:
    """Small print."""
    return tag("p", *content, class_="note")


def charts(drawn: Mapping[str, Markup]) -> Markup:
    """Charts by their titles, each in a frame, side by side where there is room."""
    framed = [tag("figure", tag("figcaption", title), chart) for title, chart in drawn.items()]
    return tag("div", framed, class_="charts")


def pairs(values: Mapping[str, Any]) -> Markup:
    """Names with their values; what has no value is left out."""
    rows = [
        (tag("dt", name), tag("dd", value)) for name, value in values.items() if value not in ("", None, ())
    ]
    return tag("dl", rows)


def details(summary: str, *content: Markup) -> Markup:
    """Folded away until it is asked for."""
    return tag("details", tag("summary", summary), join(content))


def figure_text(figure: Figure, digits: int = 3) -> str:
    """The value, and the interval in brackets.

    >>> figure_text(Figure(value=0.5, n=10, interval=(0.2366, 0.7634)))
    '0.500 (0.237 to 0.763)'
    """
    if figure.value is None:
        return "not defined"
    if figure.interval is None:
        return f"{figure.value:.{digits}f}"
    low, high = figure.interval
    return f"{figure.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def figure_cell(figure: Figure) -> Markup:
    """A figure in words and as a drawing."""
    if figure.value is None:
        return tag("span", "–", title="not defined: nothing of it occurs")
    drawn = interval_chart(figure.value, figure.interval)
    return tag("span", drawn, tag("span", figure_text(figure)), class_="figure")
