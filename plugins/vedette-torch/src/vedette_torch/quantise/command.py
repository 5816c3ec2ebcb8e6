"""``vedette quantize``: int8 beside float, within a budget of accuracy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import click

from vedette.cli import current_registry
from vedette.decoding import image_decoder
from vedette_torch.data.reading import FINDERS, read_data
from vedette_torch.progress import progress_bar
from vedette_torch.quantise.calibration import FEW, pictures_of
from vedette_torch.quantise.gate import Proof
from vedette_torch.quantise.qdq import Ranges
from vedette_torch.quantise.report import as_plain, as_text
from vedette_torch.quantise.run import MethodName, Request
from vedette_torch.quantise.run import quantise as quantise_bundle


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--calibration",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder of pictures by which ranges are chosen: of the kind that the model will see, not those of --data.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Calibration pictures at most, evenly taken.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="Labelled pictures to measure by, held out from training and calibration: a folder or .zip.",
)
@click.option("--format", "format_", type=click.Choice(["auto", *FINDERS]), default="auto", show_default=True)
@click.option("--split", help="The split of --data to measure by, if it has several.")
@click.option("--unpack-to", type=click.Path(path_type=Path), help="Where to unpack a .zip file.")
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Points of the metric that may be lost, on the worst backend.",
)
@click.option(
    "--method",
    type=click.Choice(get_args(MethodName)),
    default="qdq",
    show_default=True,
    help="qdq: one ONNX file for all backends; nncf: for OpenVINO alone.",
)
@click.option(
    "--ranges",
    type=click.Choice(get_args(Ranges)),
    default="minmax",
    show_default=True,
    help="How qdq chooses the ranges of activations.",
)
@click.option(
    "--proof",
    type=click.Choice(get_args(Proof)),
    default="require",
    show_default=True,
    help="Whether int8 files that boxes would refuse, by their goldens, may be written.",
)
@click.option("--variant", help="The float variant; default: the first whose weights are f32.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="A folder, or a .vedette file."
)
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Rows per request for speed."
)
@click.option(
    "--rounds", type=click.IntRange(min=0), default=3, show_default=True, help="Of speed; 0: not measured."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quantize(
    bundle: Path,
    calibration: Path,
    most: int,
    data: Path,
    format_: Any,
    split: str | None,
    unpack_to: Path | None,
    max_drop: float,
    method: MethodName,
    ranges: Ranges,
    proof: Proof,
    variant: str | None,
    output: Path,
    overwrite: bool,
    batch: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Quantise BUNDLE to int8, and write it with both variants if accuracy holds.

    Both variants are measured on held-out pictures through every backend that is installed here. Beyond the budget,
    layers are left in float, the most sensitive first and as few as are enough. If that does not help, nothing is
    written and the exit code is 1. The manifest states accuracy, calibration data, method and speed.
    """
    registry = current_registry()
    pictures = _evenly(pictures_of(calibration), most)
    if len(pictures) < FEW:
        click.echo(
            f"warning: {len(pictures)} pictures to calibrate by are few; ranges are left to chance", err=True
        )
    with progress_bar("pictures") as progress:
        found = read_data(
            data, format_, unpack_to=unpack_to, decode=image_decoder(registry), progress=progress
        )
    for problem in found.problems[:10]:
        click.echo(f"warning: {problem.path}: {problem.message}", err=True)
    if len(found.problems) > 10:
        click.echo(f"warning: {len(found.problems)} problems in all: `vedette data check {data}`", err=True)
    request = Request(
        bundle=bundle,
        calibration=pictures,
        calibration_origin=calibration.name,
        data=found.split(split),
        data_origin=data.name + (f", {split}" if split else ""),
        output=output,
        max_drop=max_drop,
        method=method,
        ranges=ranges,
        proof=proof,
        variant=variant,
        overwrite=overwrite,
        speed_batch=batch,
        speed_rounds=rounds,
    )
    with _Line() as line:
        report = quantise_bundle(request, registry=registry, say=line.say)
    click.echo(json.dumps(as_plain(report), indent=2) if as_json else as_text(report))


def _evenly(paths: list[Path], most: int) -> list[Path]:
    """``most`` of them at equal distances: a folder's order is often that of the classes."""
    if len(paths) <= most:
        return paths
    return [paths[index * len(paths) // most] for index in range(most)]


class _Line:
    """What is being done, on one line of a terminal; nothing elsewhere."""

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)

    def say(self, text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{text}", nl=False, err=True)
