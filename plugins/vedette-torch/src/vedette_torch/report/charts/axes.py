"""What charts with two axes share: ticks that people can read, and the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vedette_torch.report.markup import Markup, tag

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From values to pixels: the ends of ``values`` lie at those of ``pixels``."""

    label: str
    values: Range
    pixels: Range
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        low, high = self.values
        begin, end = self.pixels
        return begin + (value - low) / (high - low) * (end - begin)


def axis(label: str, values: Range, pixels: Range, *, most: int = 6, whole: bool = False) -> Axis:
    """An axis over ``values``, which is widened where it has no extent, with at most about ``most`` ticks."""
    low, high = values
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    return Axis(label=label, values=(low, high), pixels=pixels, ticks=ticks(low, high, most, whole))


def ticks(low: float, high: float, most: int = 6, whole: bool = False) -> tuple[float, ...]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten within the range.

    >>> ticks(0, 1)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))


def number(value: float) -> str:
    """For a tick: as short as it can be.

    >>> [number(v) for v in (0.2, 10.0, 12500.0, 2e-5)]
    ['0.2', '10', '12500', '2e-05']
    """
    return f"{value:.6g}"


def frame(x: Axis, y: Axis) -> list[Markup]:
    """Grid, ticks and labels."""
    (left, right), (bottom, top) = x.pixels, y.pixels
    grid = [
        tag("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="grid")
        for value in y.ticks
        if value != y.values[0]
    ]
    names = [tag("text", number(value), x=left - 7, y=y(value) + 4, class_="tick end") for value in y.ticks]
    names += [
        tag("text", number(value), x=x(value), y=bottom + 17, class_="tick middle") for value in x.ticks
    ]
    middle = (top + bottom) / 2
    titles = [
        tag("text", x.label, x=(left + right) / 2, y=bottom + 36, class_="axis middle"),
        tag("text", y.label, x=13, y=middle, class_="axis middle", transform=f"rotate(-90 13 {middle:g})"),
    ]
    base = tag("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="base")
    return [*grid, base, *names, *titles]


def drawing(width: float, height: float, title: str, says: str, *children: object) -> Markup:
    """The ``svg`` element; ``says`` is what the chart shows, for those who do not see it."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", says),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {says}",
        class_="chart",
    )
