"""The reliability diagram (DeGroot and Fienberg 1983; Guo et al. 2017): is it right as often as it says?"""

from __future__ import annotations

from collections.abc import Sequence

from vedette_torch.metrics.classification import Bin
from vedette_torch.report.charts.axes import Axis, axis, drawing, frame
from vedette_torch.report.markup import Markup, tag

WIDTH, HEIGHT = 460.0, 330.0
LEFT, RIGHT, TOP, MIDDLE, BOTTOM = 58.0, 14.0, 34.0, 66.0, 48.0


def reliability_chart(bins: Sequence[Bin]) -> Markup:
    """Accuracy over confidence for each bin, with the diagonal where both are equal; above it, how many pictures."""
    x = axis("confidence", (0, 1), (LEFT, WIDTH - RIGHT))
    y = axis("share that is right", (0, 1), (HEIGHT - BOTTOM, TOP + MIDDLE), most=5)
    most = max((one.n for one in bins), default=1)
    shares = [_share(one, x, y) for one in bins]
    counts = [_count(one, x, most) for one in bins]
    diagonal = tag("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="diagonal")
    words = [
        tag("text", "pictures", x=LEFT - 7, y=TOP + MIDDLE - 20, class_="tick end"),
        tag("path", d=f"M{LEFT} 14h18", class_="diagonal"),
        tag("text", "as it says", x=LEFT + 23, y=18, class_="tick"),
        tag("rect", x=LEFT + 105, y=8, width=12, height=12, class_="bar"),
        tag("text", "is right", x=LEFT + 122, y=18, class_="tick"),
        tag("rect", x=LEFT + 190, y=8, width=12, height=12, class_="gap"),
        tag("text", "difference", x=LEFT + 207, y=18, class_="tick"),
    ]
    says = "; ".join(f"at {one.confidence:.2f} right {one.accuracy:.2f} of {one.n}" for one in bins)
    return drawing(WIDTH, HEIGHT, "Reliability diagram", says, frame(x, y), counts, shares, diagonal, words)


def _share(one: Bin, x: Axis, y: Axis) -> Markup:
    left, right = x(one.low) + 1, x(one.high) - 1
    low, high = sorted((y(one.accuracy), y(one.confidence)))
    says = (
        f"confidence {one.low:.2f} to {one.high:.2f}: says {one.confidence:.3f}, is right {one.accuracy:.3f}, "
        f"n = {one.n}"
    )
    bar = tag(
        "rect", x=left, y=y(one.accuracy), width=right - left, height=y(0) - y(one.accuracy), class_="bar"
    )
    gap = tag("rect", x=left, y=low, width=right - left, height=high - low, class_="gap")
    return tag("g", tag("title", says), bar, gap)


def _count(one: Bin, x: Axis, most: int) -> Markup:
    height = max((MIDDLE - 26) * one.n / most, 1)
    left, right = x(one.low) + 1, x(one.high) - 1
    base = TOP + MIDDLE - 12
    return tag(
        "g",
        tag("title", f"{one.n} pictures"),
        tag("rect", x=left, y=base - height, width=right - left, height=height, class_="quiet"),
    )
