"""A figure with its interval as a small drawing for a cell of a table."""

from __future__ import annotations

from vedette_torch.report.charts.axes import Range, axis
from vedette_torch.report.markup import Markup, tag

WIDTH, HEIGHT = 84.0, 14.0


def interval_chart(
    value: float, interval: Range | None, scale: Range = (0.0, 1.0), limit: float | None = None
) -> Markup:
    """A dot in a bar on ``scale``, what lies outside cut off; ``limit`` is marked by a line.

    It says nothing that does not stand beside it in words, so it is hidden from those who listen.
    """
    x = axis("", scale, (3, WIDTH - 3))

    def place(number: float) -> float:
        return min(max(x(number), 3.0), WIDTH - 3)

    middle = HEIGHT / 2
    low, high = interval or (value, value)
    return tag(
        "svg",
        tag("line", x1=3, x2=WIDTH - 3, y1=middle, y2=middle, class_="rail"),
        tag("line", x1=place(limit), x2=place(limit), y1=1, y2=HEIGHT - 1, class_="mark")
        if limit is not None
        else None,
        tag("line", x1=place(low), x2=place(high), y1=middle, y2=middle, class_="whisker"),
        tag("circle", cx=place(value), cy=middle, r=2.2, class_="dot s0"),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
        class_="inline",
        aria_hidden=True,
    )
