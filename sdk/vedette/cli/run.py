"""``vedette run``: a pipeline, or simply one model over one source."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from vedette.cli import current_registry
from vedette.cli.report import ProgressLine, render_summary
from vedette.pipeline.config import Config, load_config, parse_config
from vedette.pipeline.run import Pipeline
from vedette.pipeline.summary import Summary


@click.command()
@click.argument("what")
@click.argument("source", required=False)
@click.option("--jsonl", type=click.Path(path_type=Path), help="Write every packet to this JSON Lines file.")
@click.option("--video", type=click.Path(path_type=Path), help="Write an annotated video.")
@click.option("--images", type=click.Path(path_type=Path), help="Write annotated pictures to this folder.")
@click.option("--record", help="Record the source to this folder, to run it again later.")
@click.option("--device", "devices", multiple=True, help="Device to use; several in order of preference.")
@click.option("--backend", help="Backend to use.")
@click.option(
    "--param", "params", multiple=True, metavar="KEY=VALUE", help="Parameter of the model's decoder."
)
@click.option("--reference", help="Picture that a model that compares is to compare with.")
@click.option("--every", type=int, default=1, show_default=True, help="Look at every n-th frame.")
@click.option("--threads", type=int, help="Processor threads to keep busy; default all.")
@click.option("--summary", type=click.Path(path_type=Path), help="Write the summary to this JSON file.")
@click.option("--quiet", is_flag=True, help="No progress line and no summary table.")
def run(
    what: str,
    source: str | None,
    jsonl: Path | None,
    video: Path | None,
    images: Path | None,
    record: str | None,
    devices: tuple[str, ...],
    backend: str | None,
    params: tuple[str, ...],
    reference: str | None,
    every: int,
    threads: int | None,
    summary: Path | None,
    quiet: bool,
) -> None:
    r"""Run PIPELINE.toml, or run a BUNDLE (or a model by its name) over a SOURCE (a video, a picture, a folder).

    \b
    vedette run pipeline.toml --summary summary.json
    vedette run yolox-nano.vedette street.mp4 --video out.mp4 --jsonl out.jsonl

    Ctrl-C and SIGTERM stop cleanly: what is in flight finishes and every output is complete. The exit code is then 130.
    """
    quick = {"jsonl": jsonl, "video": video, "images": images}
    if what.endswith(".toml"):
        options: dict[str, Any] = {"SOURCE": source, **quick, "--record": record}
        options |= {"--device": devices, "--backend": backend, "--param": params, "--reference": reference}
        given = [name for name, value in options.items() if value]
        if given:
            raise click.UsageError(f"a pipeline file says these itself: {', '.join(given)}")
        config, base_dir = load_config(Path(what)), Path(what).parent
    else:
        if source is None:
            raise click.UsageError(
                "give a SOURCE for the bundle, for example: vedette run model.vedette video.mp4"
            )
        config, base_dir = (
            _quick_config(what, source, record, quick, devices, backend, params, reference, every, threads),
            Path(),
        )
    _execute(config, base_dir, summary, quiet)


def _execute(config: Config, base_dir: Path, summary: Path | None, quiet: bool) -> None:
    line = ProgressLine(sys.stderr, enabled=not quiet)
    interrupted = False
    pipeline = Pipeline(config, registry=current_registry(), base_dir=base_dir)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        result: Summary = pipeline.run(line.show)
    except KeyboardInterrupt:
        interrupted = True
        result = pipeline.summary()
    except Exception:
        line.end()
        _write(summary, pipeline.summary())
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        pipeline.close()
    line.end()
    _write(summary, result)
    if not quiet:
        click.echo(render_summary(result, interrupted=interrupted))
    if interrupted:
        sys.exit(130)


def _interrupt(signum: int, frame: object) -> None:
    """What a service manager sends to stop a program does what Ctrl-C does."""
    raise KeyboardInterrupt


def _write(path: Path | None, summary: Summary) -> None:
    if path is not None:
        path.write_text(json.dumps(msgspec.to_builtins(summary), indent=2) + "\n")


def _quick_config(
    bundle: str,
    source: str,
    record: str | None,
    outputs: dict[str, Path | None],
    devices: tuple[str, ...],
    backend: str | None,
    params: tuple[str, ...],
    reference: str | None,
    every: int,
    threads: int | None,
) -> Config:
    stage: dict[str, Any] = {
        "name": "model",
        "bundle": bundle,
        "device": list(devices) or "auto",
        "every": every,
        "params": dict(_pair(item) for item in params),
    }
    stage |= {name: value for name, value in (("backend", backend), ("reference", reference)) if value}
    sinks = [{"use": use, "params": {"path": str(path)}} for use, path in outputs.items() if path is not None]
    stream = {"name": "stream", "source": source} | ({"record": record} if record else {})
    plain: dict[str, Any] = {
        "name": Path(bundle).name.removesuffix(".vedette"),
        "stream": [stream],
        "stage": [stage],
        "sink": sinks or [{"use": "stdout"}],
    }
    return parse_config(plain | ({"threads": threads} if threads else {}), "command line")


def _pair(item: str) -> tuple[str, Any]:
    key, separator, value = item.partition("=")
    if not separator or not key:
        raise click.BadParameter(f"{item!r} is not KEY=VALUE", param_hint="--param")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value
