"""What int8 costs, and what it gains."""

from __future__ import annotations

from vedette_torch.metrics.figure import Figure
from vedette_torch.report.charts.interval import interval_chart
from vedette_torch.report.facts import Facts, OnBackend, Quantisation, Score
from vedette_torch.report.markup import Markup, join, table, tag
from vedette_torch.report.sections.parts import Section, figure_text, not_measured, note


def int8(facts: Facts) -> Section:
    """A table for each quantisation: float and int8 on each backend."""
    title = "Float and int8"
    if not facts.quantisations:
        bundle = facts.bundle.path.name if facts.bundle else "BUNDLE"
        command = f"vedette quantize {bundle} --calibration PICTURES --data HELD_OUT -o int8.vedette --json > int8.json"
        return Section(anchor="int8", title=title, body=not_measured("Int8", command))
    return Section(anchor="int8", title=title, body=join(_one(one) for one in facts.quantisations))


def _one(made: Quantisation) -> Markup:
    f32, int8 = made.bytes["f32"], made.bytes["int8"]
    rows = [_row(backend, one) for backend, one in made.backends.items()]
    kept = ", ".join(made.float_layers) or "none"
    slower = [name for name, one in made.backends.items() if one.speed and one.speed.ratio < 1]
    contended = any(one.speed and one.speed.contended_rounds for one in made.backends.values())
    return join(
        (
            table(
                f"{made.variants[1]} beside {made.variants[0]}, by backend: {made.metric} of held-out pictures",
                ["backend", "n", "float", "int8", "drop, points (95 %, paired)", "", "speed, int8 / float"],
                rows,
                numbers=[1],
            ),
            note(
                f"Size: {int8 / 1e6:.2f} MB instead of {f32 / 1e6:.2f} MB ({f32 / int8:.1f} times smaller). "
                f"Backends differ by {100 * made.parity:.2f} points on the int8 files. Method: {made.method}. "
                f"Layers left in float: {len(made.float_layers)} of {made.layers} ({kept})."
            ),
            [
                tag("p", f"Int8 is slower than float on {name} on this machine.", class_="finding warn")
                for name in slower
            ],
            [
                tag("p", f"Boxes with {name} refuse the int8 files: {one.refused}", class_="finding warn")
                for name, one in made.backends.items()
                if one.refused
            ],
            note("Other programs used the processor while speed was measured: take the ratios as rough.")
            if contended
            else None,
        )
    )


def _row(backend: str, one: OnBackend) -> list[object]:
    low, high = (100 * end for end in one.drop_interval)
    reach = max(1.0, abs(low), abs(high))
    drawn = interval_chart(100 * one.drop, (low, high), (-reach, reach), limit=0.0)
    return [
        backend,
        one.int8.n,
        figure_text(_figure(one.f32), 4),
        figure_text(_figure(one.int8), 4),
        f"{100 * one.drop:+.2f} ({low:+.2f} to {high:+.2f})",
        drawn,
        _speed(one),
    ]


def _speed(one: OnBackend) -> object:
    if one.speed is None:
        return tag("span", "not measured (--rounds 3)", class_="quiet")
    rates = f"{one.speed.int8_hz:.0f} and {one.speed.f32_hz:.0f} requests/s"
    slower = " slower" if one.speed.ratio < 1 else ""
    return tag("span", f"{one.speed.ratio:.2f}{slower}", tag("span", rates, class_="file"))


def _figure(score: Score) -> Figure:
    return Figure(value=score.value, n=score.n, interval=score.interval)
