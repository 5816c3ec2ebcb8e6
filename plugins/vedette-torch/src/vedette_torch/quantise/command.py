"""``vedette quantize``: int8 beside float, within a budget of accuracy."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import click

from vedette.cli import current_registry
from vedette.decoding import image_decoder
from vedette.registry import Registry
from vedette_torch.data_options import DataOptions, data_options
from vedette_torch.quantise.calibration import FEW, pictures_of
from vedette_torch.quantise.gate import Proof
from vedette_torch.quantise.qdq import Ranges
from vedette_torch.quantise.report import as_plain, as_text
from vedette_torch.quantise.run import MethodName, Request, Source
from vedette_torch.quantise.run import quantise as quantise_bundle

QAT = "qat"


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
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
@data_options
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Points of the metric that may be lost, on the worst backend.",
)
@click.option(
    "--method",
    type=click.Choice([*get_args(MethodName), QAT]),
    default="qdq",
    show_default=True,
    help="qdq: one ONNX file for all backends; nncf: for OpenVINO alone; qat: qdq after training on with rounding.",
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
@click.option("--licence", help="Of the weights; for the folder of a run.")
@click.option(
    "--sample",
    "samples",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="A picture for the goldens; for the folder of a run. 8 are best.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What a model that compares is to compare with; for the folder of a run.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the recipe for --method qat: epochs, learning_rate ...",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quantize(
    model: Path,
    calibration: Path,
    most: int,
    data: DataOptions,
    max_drop: float,
    method: str,
    ranges: Ranges,
    proof: Proof,
    variant: str | None,
    output: Path,
    overwrite: bool,
    batch: int,
    rounds: int,
    licence: str | None,
    samples: tuple[Path, ...],
    reference: Path | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Quantise MODEL, a bundle or the folder of a run, to int8, and write a bundle with both if accuracy holds.

    \b
    vedette quantize tiny.vedette --calibration photos --data held-out -o tiny.int8.vedette
    vedette quantize runs/cifar --method qat --licence MIT --calibration cifar10/train --data cifar10 -o cifar.vedette

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
    labelled = data.read(image_decoder(registry))
    with TemporaryDirectory(prefix="vedette-quantise-") as work, _Line() as line:
        source = _source(model, method, licence, samples, reference, changes, Path(work), registry)
        request = Request(
            source=source,
            calibration=tuple(pictures),
            references={path: beside for path, beside in pictures.items() if beside is not None},
            calibration_origin=calibration.name,
            data=labelled.samples,
            data_origin=data.folder.name + (f", {labelled.split}" if labelled.split else ""),
            output=output,
            max_drop=max_drop,
            method="nncf" if method == "nncf" else "qdq",
            ranges=ranges,
            proof=proof,
            variant=variant,
            overwrite=overwrite,
            speed_batch=batch,
            speed_rounds=rounds,
        )
        report = quantise_bundle(request, registry=registry, say=line.say)
    click.echo(json.dumps(as_plain(report), indent=2) if as_json else as_text(report))


def _source(
    model: Path,
    method: str,
    licence: str | None,
    samples: tuple[Path, ...],
    reference: Path | None,
    changes: tuple[str, ...],
    work: Path,
    registry: Registry,
) -> Source:
    """The bundle that was named, or what the run that was named becomes."""
    if not (model / "run.json").is_file():
        said = {
            "--method qat": method == QAT,
            "--licence": licence,
            "--sample": samples,
            "--reference": reference,
            "--set": changes,
        }
        if wrong := next((option for option, given in said.items() if given), None):
            raise click.UsageError(f"{wrong} is for the folder of a run, and {model} is none")
        return Source(bundle=model)
    from vedette_torch.quantise.learning import learn_rounding, pack_run, rounding_settings
    from vedette_torch.train_command import parse_settings
    from vedette_torch.trained import open_run

    trained = open_run(model, registry)
    request = trained.pack_request(licence, samples, reference)
    if method != QAT:
        if changes:
            raise click.UsageError("--set is for --method qat")
        return pack_run(request, work, registry)
    settings = parse_settings(trained.recipe.settings_type, changes, rounding_settings(trained))
    return learn_rounding(trained, settings, request, work, registry, say=partial(click.echo, err=True))


def _evenly(pictures: dict[Path, Path | None], most: int) -> dict[Path, Path | None]:
    """``most`` of them at equal distances: a folder's order is often that of the classes."""
    if len(pictures) <= most:
        return pictures
    paths = list(pictures)
    chosen = [paths[index * len(paths) // most] for index in range(most)]
    return {path: pictures[path] for path in chosen}


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
