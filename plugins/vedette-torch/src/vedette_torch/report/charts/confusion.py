"""The confusion matrix: a row for each true class, what it was taken for in columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vedette_torch.report.charts.axes import drawing
from vedette_torch.report.markup import Markup, tag

SHOWN = 24
"""Classes that a matrix can show; of more, those with the most mistakes."""
LONGEST = 14
_DARK = 0.55
"""Share from which the number in a cell is set light."""


def confusion_chart(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """``counts[true][said]``. The shade is the share of the true class, the number is pictures."""
    kept = most_mistaken(counts, SHOWN)
    names = [_short(labels[row]) for row in kept]
    cell = 34.0 if len(kept) <= 14 else 24.0
    left, top = 24 + 7.2 * max(map(len, names)), 34 + 5.4 * max(map(len, names))
    side = cell * len(kept)
    width, height = left + side + 34, top + side + 12
    cells = [
        _cell(left + cell * x, top + cell * y, cell, counts[true][said], sum(counts[true]), true == said,
              f"{labels[true]} taken for {labels[said]}" if true != said else f"{labels[true]}, right")
        for y, true in enumerate(kept)
        for x, said in enumerate(kept)
    ]  # fmt: skip
    rows = [
        tag("text", name, x=left - 8, y=top + cell * (at + 0.5) + 4, class_="tick end")
        for at, name in enumerate(names)
    ]
    columns = [
        tag(
            "text",
            name,
            class_="tick",
            transform=f"translate({left + cell * (at + 0.5) + 3:g} {top - 8:g}) rotate(-50)",
        )
        for at, name in enumerate(names)
    ]
    titles = [
        tag("text", "said", x=left + side / 2, y=12, class_="axis middle"),
        tag(
            "text",
            "true",
            x=12,
            y=top + side / 2,
            class_="axis middle",
            transform=f"rotate(-90 12 {top + side / 2:g})",
        ),
    ]
    says = (
        f"{sum(counts[c][c] for c in kept)} of {sum(sum(counts[c]) for c in kept)} pictures on the diagonal"
    )
    chart = drawing(width, height, "Confusion matrix", says, cells, rows, columns, titles)
    return Markup(chart.replace('class="chart"', f'class="chart" style="max-width:{width:g}px"', 1))


def most_mistaken(counts: Sequence[Sequence[int]], most: int) -> list[int]:
    """The classes that are in most mistakes, in their own order."""
    wrong = [sum(counts[c]) + sum(row[c] for row in counts) - 2 * counts[c][c] for c in range(len(counts))]
    return sorted(sorted(range(len(counts)), key=lambda c: -wrong[c])[:most])


def _cell(x: float, y: float, side: float, count: int, total: int, right: bool, says: str) -> Markup:
    share = count / total if total else 0.0
    square = tag(
        "rect",
        x=x,
        y=y,
        width=side - 1,
        height=side - 1,
        rx=2,
        class_="cell",
    )
    shade = tag(
        "rect", x=x, y=y, width=side - 1, height=side - 1, rx=2, class_="right" if right else "wrong",
        fill_opacity=f"{_shade(share):.3f}",
    ) if count else None  # fmt: skip
    text = tag(
        "text", count, x=x + side / 2 - 0.5, y=y + side / 2 + 4,
        class_=f"count middle{' light' if _shade(share) > _DARK else ''}",
    ) if count else None  # fmt: skip
    return tag("g", tag("title", f"{says}: {count} of {total}"), square, shade, text)


def _shade(share: float) -> float:
    """Rises steeply at first, so that rare mistakes are seen."""
    return 0.08 + 0.92 * math.pow(share, 0.6)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
