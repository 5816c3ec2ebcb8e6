"""What it costs to decode in a child process: the same videos read with ``isolate`` and without."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bench.figures import Figure, Outcome
from bench.options import NO_DATA, Options
from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.rounds import interleave
from vedette.pipeline.config import Stream
from vedette.pipeline.sources import open_source
from vedette.registry import Registry, load_plugins
from vedette.specs import Source

VIDEOS = {"768x432": "car-detection.mp4", "480x270": "worker-zone-detection.mp4"}
WARM_UP = 10
NOTE = (
    "pictures are only read, not looked at; 'rate kept' is the median over rounds of isolated / in-process; processor "
    "time is that of both processes"
)


def run(options: Options) -> Outcome:
    """Each video, read in this process and in a child in turn."""
    if options.data is None:
        return Outcome(skipped=NO_DATA)
    registry = load_plugins()
    figures: list[Figure] = []
    for subject, name in VIDEOS.items():
        path = options.data / "videos" / name
        series = interleave(
            {
                how: _contestant(registry, path, how == "isolated", options)
                for how in ("in process", "isolated")
            },
            options.rounds,
            options.say,
            options.attempts,
        )
        plain, isolated = series["in process"], series["isolated"]
        contended = plain.contended + isolated.contended
        figures += [
            Figure(subject=subject, name="in process", value=plain.rate_hz, unit="1/s", contended=contended),
            Figure(
                subject=subject,
                name="rate kept",
                value=isolated.per_round(plain),
                unit="",
                contended=contended,
            ),
            Figure(
                subject=subject,
                name="more processor time per picture",
                value=isolated.cpu_ms - plain.cpu_ms,
                unit="ms",
                contended=contended,
            ),
        ]
    return Outcome(figures=figures, notes=[NOTE])


def _contestant(registry: Registry, path: Path, isolate: bool, options: Options) -> Callable[[], Sample]:
    stream = Stream(name="video", source=str(path), isolate=isolate, params={"loop": True})
    pictures = 100 if options.quick else 1_000

    def measure() -> Sample:
        with closing(open_source(registry, stream, Path(), "stream").source) as source:
            _read(source, WARM_UP)
            before_s = _children_cpu_s()
            sample = timed(lambda: _read(source, pictures))
            child_s = _children_cpu_s() - before_s
        foreign = sample.foreign_cores
        return replace(
            sample,
            cpu_s=sample.cpu_s + child_s,
            foreign_cores=None if foreign is None else max(0.0, foreign - child_s / sample.wall_s),
        )

    return measure


def _read(source: Source, count: int) -> int:
    left = count
    while left:
        if source.read(1.0) is not None:
            left -= 1
    return count


def _children_cpu_s() -> float:
    """Processor time of the children of this process so far, in steps of 10 ms."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
