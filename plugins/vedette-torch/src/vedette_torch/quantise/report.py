"""What came of a quantisation, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vedette.cli.report import table
from vedette_torch.metrics.figure import Figure
from vedette_torch.quantise.gate import value_of
from vedette_torch.quantise.run import Report

HEADER = ("backend", "f32", "int8", "95 %", "drop", "95 %", "int8 / f32 rate")


def as_text(report: Report) -> str:
    """A table with a row for each backend, then what follows from it."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    best = report.passed.best
    rows = []
    for backend, drop in best.drops.items():
        speed = report.speeds.get(backend)
        rate = "-" if speed is None else f"{speed.ratio:.2f}" + ("  SLOWER" if speed.ratio < 1 else "")
        rows.append(
            [
                backend,
                f"{value_of(drop.f32):.4f}",
                f"{value_of(drop.int8):.4f}",
                _span(drop.int8.interval, 1),
                f"{100 * drop.value:+.2f}",
                _span(drop.interval, 100),
                rate,
            ]
        )
    n = next(iter(best.drops.values())).f32.n
    yield f"{report.metric} on {n} held-out pictures; drop in points"
    yield from (f"  {line}" for line in table(HEADER, rows))
    before, after = report.sizes
    yield f"method   {report.method}"
    yield f"size     {after / 1e6:.2f} MB int8, {before / 1e6:.2f} MB f32"
    yield f"parity   backends differ by {100 * report.parity:.2f} points on the int8 files"
    yield f"float    {len(best.keep)} of {report.layers} layers" + (
        f", found in {len(report.passed.attempts)} attempts: {', '.join(best.keep)}" if best.keep else ""
    )
    for backend, problem in best.refused.items():
        yield f'warning: boxes with {backend} will refuse the int8 variant (proof = "require"): {problem}'
    for backend in report.slower:
        speed = report.speeds[backend]
        yield (
            f"warning: int8 is slower than float on {backend} here ({speed.int8_hz:.0f} to {speed.f32_hz:.0f} "
            "requests/s); float stays the first choice of the bundle"
        )
    if any(speed.contended for speed in report.speeds.values()):
        yield "note: other programs used the processor while speed was measured; do it again on a quiet machine"
    yield f"wrote {report.output}"


def as_plain(report: Report) -> dict[str, Any]:
    """In plain values, for JSON."""
    best = report.passed.best
    return {
        "output": str(report.output),
        "metric": report.metric,
        "method": report.method,
        "variants": list(report.variants),
        "layers": report.layers,
        "float_layers": list(best.keep),
        "attempts": [
            {
                "float_layers": len(item.keep),
                "drops": {backend: drop.value for backend, drop in item.drops.items()},
            }
            for item in report.passed.attempts
        ],
        "backends": {
            backend: {
                "f32": _score(drop.f32),
                "int8": _score(drop.int8),
                "drop": drop.value,
                "refused": best.refused.get(backend, ""),
                "drop_interval": list(drop.interval),
                "speed": None
                if (speed := report.speeds.get(backend)) is None
                else {
                    "f32_hz": speed.f32_hz,
                    "int8_hz": speed.int8_hz,
                    "ratio": speed.ratio,
                    "contended_rounds": speed.contended,
                },
            }
            for backend, drop in best.drops.items()
        },
        "parity": report.parity,
        "bytes": {"f32": report.sizes[0], "int8": report.sizes[1]},
        "sensitivity": {item.layer: item.error for item in report.ranking},
    }


def _score(found: Figure) -> dict[str, Any]:
    return {"value": found.value, "interval": found.interval, "n": found.n}


def _span(ends: tuple[float, float] | None, factor: float) -> str:
    if ends is None:
        return "-"
    low, high = (factor * end for end in ends)
    return f"{low:.3f} .. {high:.3f}" if factor == 1 else f"{low:+.2f} .. {high:+.2f}"
