"""Lines over a common axis: learning curves, precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vedette_torch.report.charts.axes import Axis, Range, axis, drawing, frame
from vedette_torch.report.markup import Markup, tag

WIDTH, HEIGHT = 460.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 34.0, 48.0
COLUMNS, ROW, LONGEST = 3, 18.0, 17
"""Of the legend: names in a row, pixels from row to row, letters of a name."""
STYLES = 6
"""Lines that can be told apart, by colour and by dashes."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A named line. Points in the order of their x."""

    name: str
    points: Sequence[tuple[float, float]]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_range: Range | None = None,
    y_range: Range | None = None,
    whole_x: bool = False,
    mark: tuple[float, str] | None = None,
) -> Markup:
    """Draw at most :data:`STYLES` series; ``mark`` is a vertical line at an x, with a word.

    Ranges that are not given are those of the points, which need at least one.
    """
    points = [point for one in series for point in one.points]
    lower = ROW * ((min(len(series), STYLES) - 1) // COLUMNS)
    height = HEIGHT + lower
    x = axis(x_label, x_range or _range([p[0] for p in points]), (LEFT, WIDTH - RIGHT), whole=whole_x)
    y = axis(y_label, y_range or _padded([p[1] for p in points]), (height - BOTTOM, TOP + lower), most=5)
    says = "; ".join(_says(one) for one in series if one.points)
    return drawing(
        WIDTH,
        height,
        title,
        says,
        frame(x, y),
        _mark(mark, x, y) if mark else None,
        [_line(one, number, x, y) for number, one in enumerate(series[:STYLES]) if one.points],
        _legend(series) if len(series) > 1 else None,
    )


def _says(series: Series) -> str:
    (_, first), (at, last) = series.points[0], series.points[-1]
    return f"{series.name} from {first:.3g} to {last:.3g} at {at:.4g}"


def _line(series: Series, number: int, x: Axis, y: Axis) -> Markup:
    if len(series.points) == 1:
        [(at, value)] = series.points
        return tag("circle", cx=x(at), cy=y(value), r=3, class_=f"dot s{number}")
    path = "M" + "L".join(f"{x(at):.2f} {y(value):.2f}" for at, value in series.points)
    return tag("path", d=path, class_=f"line s{number}")


def _mark(mark: tuple[float, str], x: Axis, y: Axis) -> list[Markup]:
    at, word = mark
    bottom, top = y.pixels
    late = at > sum(x.values) / 2
    return [
        tag("line", x1=x(at), x2=x(at), y1=bottom, y2=top, class_="mark"),
        tag(
            "text", word, x=x(at) + (-5 if late else 5), y=bottom - 7, class_=f"tick {'end' if late else ''}"
        ),
    ]


def _legend(series: Sequence[Series]) -> list[Markup]:
    """In rows above the chart."""
    made: list[Markup] = []
    for number, one in enumerate(series[:STYLES]):
        x = LEFT + number % COLUMNS * (WIDTH - LEFT - RIGHT) / COLUMNS
        y = 14.0 + ROW * (number // COLUMNS)
        made.append(tag("path", d=f"M{x:g} {y:g}h18", class_=f"line s{number}"))
        made.append(tag("text", _short(one.name), x=x + 23, y=y + 4, class_="tick"))
    return made


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _range(values: list[float]) -> Range:
    return min(values), max(values)


def _padded(values: list[float]) -> Range:
    low, high = _range(values)
    room = 0.06 * (high - low)
    return (0.0 if 0 <= low <= 2 * room else low - room), high + room
