"""``vedette bench``: measure a bundle on this machine."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO, get_args

import click
import msgspec

from vedette.benchmark.bundle import BundleReport, bench_bundle
from vedette.model.candidates import Wanted
from vedette.specs import Precision


@click.command()
@click.argument("bundle")
@click.option("--source", help="What the pipeline reads, decoding included; default: pictures in memory.")
@click.option("--backend", help="Backend to use.")
@click.option("--device", "devices", multiple=True, help="Device to use; several in order of preference.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Type that floating-point operators compute in.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of each.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Length of a round."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(
    bundle: str,
    source: str | None,
    backend: str | None,
    devices: tuple[str, ...],
    precision: Precision | None,
    rounds: int,
    seconds: float,
    as_json: bool,
) -> None:
    r"""Measure BUNDLE, a path or the name of an installed model: the raw runtime against the pipeline.

    \b
    vedette bench yolox-nano.vedette
    vedette bench yolox-nano.vedette --source street.mp4 --backend openvino --json

    The raw runtime keeps all its requests in flight and looks at no picture and no result; the pipeline does the whole
    work. They run in turn, and rounds that other programs disturb are repeated. With --precision one may be measured
    whose accuracy nobody has.
    """
    plugins = click.get_current_context().find_root().params.get("extra_modules", ())
    line = StatusLine(sys.stderr)
    try:
        report = bench_bundle(
            bundle,
            source=source,
            wanted=Wanted(
                backend=backend,
                device=devices or "auto",
                precision=precision,
                allow_ungraded=precision is not None,
            ),
            rounds=rounds,
            seconds=seconds,
            plugins=plugins,
            say=line.show,
        )
    finally:
        line.clear()
    click.echo(json.dumps(msgspec.to_builtins(report), indent=2) if as_json else render_report(report))


def render_report(report: BundleReport) -> str:
    """The report for people, the ratio first."""
    raw, pipeline = report.raw, report.pipeline
    stages = ", ".join(f"{part} {ms:.2f} ms" for part, ms in report.stage_ms.items())
    rounds = len(raw.rounds)
    lines = [
        f"pipeline / raw runtime  {report.ratio:.3f}",
        "",
        f"{'':<10}  {'frames/s':>9}  {'CPU ms/frame':>12}",
        f"{'pipeline':<10}  {pipeline.rate_hz:>9.1f}  {pipeline.cpu_ms_per_frame:>12.2f}",
        f"{'raw':<10}  {raw.rate_hz:>9.1f}  {raw.cpu_ms_per_frame:>12.2f}",
        "",
        f"bundle   {report.bundle}, variant {report.variant}",
        f"frames   {report.source}",
        f"stages   {stages}; infer includes the wait for a processor",
        *(f"graph    {name}: {_where(graph)}" for name, graph in report.graphs.items()),
        f"with     {', '.join(f'{name} {version}' for name, version in report.versions.items())}",
        f"machine  {report.machine['processor']}, {report.threads} threads",
        f"method   medians of {rounds} interleaved rounds, processor time of the whole process",
    ]
    if report.contended_rounds:
        lines.append(
            f"note: other programs disturbed {report.contended_rounds} of {2 * rounds} rounds, repetitions included; "
            "measure again when the machine is quiet"
        )
    return "\n".join(lines)


def _where(graph: dict[str, Any]) -> str:
    precision = f"{graph['execution_precision']} as read back"
    return f"{graph['backend']} on {graph['device']}, {precision}; {graph['placement']}"


class StatusLine:
    """A line on a terminal that says what is being done, written over again; nothing where there is no terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._enabled = out.isatty()
        self._width = 0

    def show(self, text: str) -> None:
        if self._enabled:
            self._out.write("\r" + text.ljust(self._width))
            self._out.flush()
            self._width = len(text)

    def clear(self) -> None:
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()
