"""One bundle on this machine: the raw runtime against the whole pipeline."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

import vedette
from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.parts import make_pictures
from vedette.benchmark.raw import RawRuntime
from vedette.benchmark.rounds import Say, Series, interleave
from vedette.decoding import image_decoder
from vedette.errors import ConfigError, PipelineError
from vedette.machine import describe_machine
from vedette.model.candidates import Wanted
from vedette.model.loading import LoadedModel, load_model
from vedette.model.named import open_named
from vedette.model.pool import SessionPool
from vedette.pipeline.config import Config, Stream, parse_config
from vedette.pipeline.run import Pipeline
from vedette.pipeline.sources import find_source
from vedette.pipeline.summary import Summary
from vedette.registry import Registry, load_plugins
from vedette.secrets import redacted

PARTS = "vedette.benchmark.parts"
PICTURE_WH = (1280, 720)
STAGE = "model"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the rounds of one contestant, and the rounds themselves: ``[frames/s, CPU ms/frame, foreign]``."""

    rate_hz: float
    cpu_ms_per_frame: float
    rounds: tuple[tuple[float, float, float | None], ...]


class BundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``vedette bench`` found.

    Attributes
    ----------
    ratio
        Frames per second of the pipeline by those of the raw runtime: the median of the ratios round by round.
    source
        Where the pipeline's frames came from.
    graphs
        Backend, device, execution precision and placement of each graph, as the runtime says them.
    stage_ms
        Mean wall time per frame of ``preprocess``, ``infer`` (the wait for a processor included) and ``postprocess``.
    contended_rounds
        Rounds in which other programs used the processor, however often they were repeated.
    """

    ratio: float
    raw: Measured
    pipeline: Measured
    stage_ms: dict[str, float]
    bundle: str
    variant: str
    source: str
    threads: int
    graphs: dict[str, dict[str, str]]
    contended_rounds: int
    versions: dict[str, str]
    machine: dict[str, Any]


def bench_bundle(
    bundle: str | Path,
    *,
    source: str | None = None,
    wanted: Wanted,
    rounds: int = 5,
    seconds: float = 2.0,
    plugins: Iterable[str] = (),
    say: Say = lambda text: None,
) -> BundleReport:
    """Measure a bundle on the best candidate of this box.

    Both contestants use the same sessions, in turn. *Raw*: every slot in flight, inputs filled once, nothing before or
    after. *Pipeline*: frames through preprocess, infer, postprocess and a sink that does nothing.

    Parameters
    ----------
    bundle
        A path, or the name of a model.
    source
        What the pipeline reads, decoding included: a file or folder. Default: pictures in memory.
    rounds, seconds
        How often, and for how long each time (the end of ``source`` may come before).
    plugins
        Modules to load as plugins, as ``vedette --plugin``.

    Raises
    ------
    VedetteError
        The bundle cannot run here, or ``source`` cannot be read or is a camera, which sets the pace itself.
    """
    registry = load_plugins((*plugins, PARTS))
    threads = len(os.sched_getaffinity(0))
    pool = SessionPool(threads)
    with ExitStack() as stack:
        say("opening the model")
        opened = stack.enter_context(open_named(bundle, registry))
        model = load_model(opened, registry, pool, image_decoder(registry), wanted=wanted)
        stack.callback(model.close)
        raw = RawRuntime(model, make_pictures(PICTURE_WH)[0])
        config = _config(model, source, threads)
        _check_source(config.stream[0], registry)
        summaries: list[Summary] = []
        series = interleave(
            {
                "raw runtime": lambda: timed(lambda: raw.run(seconds)),
                "pipeline": lambda: run_pipeline(config, registry, pool, seconds, summaries),
            },
            rounds,
            say,
        )
        return _report(model, registry, source, threads, series, summaries)


def run_pipeline(
    config: Config, registry: Registry, pool: SessionPool, seconds: float, summaries: list[Summary]
) -> Sample:
    """Build a pipeline, and measure ``seconds`` of its run. Its summary is appended to ``summaries``.

    Raises
    ------
    PipelineError
        A frame failed, or there was none: what was measured is not the work.
    """
    with closing(Pipeline(config, registry=registry, pool=pool)) as pipeline:

        def run() -> int:
            timer = threading.Timer(seconds, pipeline.stop)
            timer.start()
            try:
                summary = pipeline.run()
            finally:
                timer.cancel()
            summaries.append(summary)
            return sum(stream["complete"] for stream in summary.streams.values())

        sample = timed(run)
    _check(summaries[-1])
    return sample


def _check(summary: Summary) -> None:
    for name, stream in summary.streams.items():
        if stream["error"]:
            raise PipelineError(f"the source of stream {name!r} failed: {stream['error']}")
        if stream["partial"] or stream["failed"]:
            errors = [error for stage in summary.stages.values() for error in stage["errors"]]
            raise PipelineError(
                f"frames failed while they were measured: {errors[0] if errors else 'unknown'}"
            )
        if not stream["complete"]:
            raise PipelineError(f"the source of stream {name!r} gave no frame", fix="name another source")


def _config(model: LoadedModel, source: str | None, threads: int) -> Config:
    """A pipeline of just this candidate, whose signature and proof have been looked at already."""
    candidate = model.candidate
    stream: dict[str, Any] = {"name": "frames", "source": source}
    if source is None:
        stream |= {"source": "memory://", "use": "memory", "params": {"size_wh": PICTURE_WH}}
    stage = {
        "name": STAGE,
        "bundle": str(model.bundle.path),
        "backend": candidate.backend,
        "device": candidate.device,
        "variant": candidate.variant,
        "precision": candidate.precision,
        "allow_ungraded": True,
        "proof": "off",
        "on_error": "stop",
    }
    plain = {
        "name": "bench",
        "threads": threads,
        "signatures": "off",
        "stream": [stream],
        "stage": [stage],
        "sink": [{"use": "null"}],
    }
    return parse_config(plain, "bench")


def _check_source(stream: Stream, registry: Registry) -> None:
    """Refuse a camera: it sets the pace, whatever the pipeline could do."""
    spec = find_source(registry, stream, "--source")
    with closing(
        spec.open(stream.source, registry.convert_params(spec, stream.params, "--source"))
    ) as opened:
        if opened.info.live:
            raise ConfigError(
                f"--source: {redacted(stream.source)!r} is a camera and sets the pace itself",
                fix="record some seconds of it, and name the file",
            )


def _report(
    model: LoadedModel,
    registry: Registry,
    source: str | None,
    threads: int,
    series: Mapping[str, Series],
    summaries: Sequence[Summary],
) -> BundleReport:
    manifest = model.bundle.manifest
    raw, pipeline = series["raw runtime"], series["pipeline"]
    backend = model.parts.backend
    return BundleReport(
        ratio=round(pipeline.per_round(raw), 4),
        raw=_measured(raw),
        pipeline=_measured(pipeline),
        stage_ms=_stage_ms(summaries),
        bundle=f"{manifest.name} {manifest.version}",
        variant=model.candidate.variant,
        source=redacted(source)
        if source
        else f"memory: {PICTURE_WH[0]}x{PICTURE_WH[1]} pictures without objects",
        threads=threads,
        graphs=dict(summaries[-1].stages[STAGE]["graphs"]),
        contended_rounds=raw.contended + pipeline.contended,
        versions={"vedette": vedette.__version__, backend.name: backend.version()},
        machine=describe_machine(),
    )


def _stage_ms(summaries: Sequence[Summary]) -> dict[str, float]:
    """The mean of each part, and of that the median over the rounds."""
    means: list[dict[str, float]] = [summary.stages[STAGE]["mean_ms"] for summary in summaries]
    return {part: round(median(mean[part] for mean in means), 4) for part in means[0]}


def _measured(series: Series) -> Measured:
    return Measured(
        rate_hz=round(series.rate_hz, 3),
        cpu_ms_per_frame=round(series.cpu_ms, 4),
        rounds=tuple(
            (
                round(sample.rate_hz, 3),
                round(sample.cpu_ms, 4),
                None if sample.foreign_cores is None else round(sample.foreign_cores, 3),
            )
            for sample in series.samples
        ),
    )
