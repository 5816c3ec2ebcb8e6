"""``vedette pack``: a model file of another tool becomes a bundle."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from vedette.bundle.bundle import open_bundle
from vedette.bundle.documents import Documents
from vedette.bundle.manifest import ConstantFeed, PreprocessFeed, Storage, Task, Tolerance
from vedette.bundle.opened import OpenedModel, open_model
from vedette.bundle.options import typed_params
from vedette.bundle.pack import GOLDENS, PackRequest, pack_opened
from vedette.bundle.reading import ambiguous, find_readings
from vedette.cli import current_registry
from vedette.cli.check import pictures_in, show_check
from vedette.cli.choosing import choose_reading
from vedette.cli.inspect import bundle_as_text
from vedette.frame import Kernel
from vedette.registry import Registry
from vedette.vision.spec import Anchor, Colour, Layout, Resize

FILE = click.Path(path_type=Path)
REFERENCE = "reference:"
IMAGE_OPTIONS = (
    "size_wh",
    "resize",
    "anchor",
    "kernel",
    "colour",
    "mean",
    "scale",
    "pad",
    "crop_fraction",
    "layout",
)
"""They have the names of the fields of InputSpec."""


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
    """One number, or one per channel."""
    try:
        return (
            None
            if value is None
            else [int(part) if part.isdecimal() else float(part) for part in value.split(",")]
        )
    except ValueError:
        raise click.BadParameter(f"{value!r} is not one number, or several with commas") from None


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> list[int] | None:
    if value is None:
        return None
    width, _, height = value.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise click.BadParameter(f"{value!r} is not WIDTHxHEIGHT, as in 416x416")
    return [int(width), int(height)]


def _tolerance(ctx: click.Context, param: click.Parameter, value: str | None) -> Tolerance | None:
    numbers = _numbers(ctx, param, value)
    if numbers is None:
        return None
    try:
        return msgspec.convert(dict(zip(("worst", "rms"), numbers, strict=False)), Tolerance)
    except msgspec.ValidationError as error:
        raise click.BadParameter(f"{value!r}: {error}") from None


def _pairs(ctx: click.Context, param: click.Parameter, values: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{value!r} is not of the form {param.metavar}")
        if key in pairs:
            raise click.BadParameter(f"{key!r} is given twice")
        pairs[key] = text
    return pairs


def _choice(values: Any) -> click.Choice[str]:
    return click.Choice(get_args(values))


@click.command()
@click.argument("model", type=FILE)
@click.option("--task", type=_choice(Task), help="What the model is for.")
@click.option(
    "--decoder", metavar="NAME", help="What reads its outputs; `vedette plugins` lists the decoders."
)
@click.option(
    "--param",
    "params",
    callback=_pairs,
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the decoder; VALUE is JSON or text.",
)
@click.option("--labels", type=FILE, metavar="FILE", help="One class name per line.")
@click.option("--name", help="Of the bundle; default: the file's name.")
@click.option("--version", default="1.0.0", show_default=True, help="Of the bundle.")
@click.option("--licence", metavar="TEXT", help="The model's licence, for example Apache-2.0.")
@click.option("--origin", default="", metavar="TEXT", help="Where the model comes from.")
@click.option(
    "--input-size", "size_wh", callback=_size, metavar="WIDTHxHEIGHT", help="Where the model takes any."
)
@click.option("--resize", type=_choice(Resize), help="How a picture comes to the input size.")
@click.option("--anchor", type=_choice(Anchor), help="Where a letterboxed picture lies.")
@click.option("--kernel", type=_choice(Kernel), help="Filter of the resize.")
@click.option("--colour", type=_choice(Colour), help="Order of the channels.")
@click.option(
    "--mean", callback=_numbers, metavar="VALUES", help="tensor = (pixel - mean) / scale, pixels 0..255."
)
@click.option(
    "--scale", callback=_numbers, metavar="VALUES", help="One value, or one per channel with commas."
)
@click.option("--pad", callback=_numbers, metavar="VALUES", help="Fill around a letterboxed picture, 0..255.")
@click.option(
    "--crop-fraction", type=float, metavar="FRACTION", help="For --resize crop: 0.875 is 224 of 256."
)
@click.option("--layout", type=_choice(Layout), help="Where the shape does not tell.")
@click.option(
    "--feed",
    "feeds",
    callback=_pairs,
    multiple=True,
    metavar="INPUT=SOURCE",
    help="What fills an input: image, preprocess:NAME, reference:FILE (a picture to compare with) or "
    "constant:VALUE (JSON).",
)
@click.option(
    "--state",
    callback=_pairs,
    multiple=True,
    metavar="INPUT=OUTPUT",
    help="Recurrent state: OUTPUT becomes INPUT.",
)
@click.option(
    "--sample",
    "samples",
    type=FILE,
    multiple=True,
    metavar="PICTURE",
    help="To record a golden from; a folder: all in it.",
)
@click.option(
    "--check",
    "checks",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    metavar="PICTURE",
    help="Show what the bundle finds in it, and try the common mistakes; a folder: all in it.",
)
@click.option(
    "--beside",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A file that the model file refers to: weights.",
)
@click.option(
    "--storage", type=_choice(Storage), default="f32", show_default=True, help="How the weights are stored."
)
@click.option(
    "--backend",
    metavar="NAME",
    help="What opens the model and records the goldens; default: the first that can.",
)
@click.option(
    "--oracle",
    type=click.Choice(["self", "literal", "fp32-relative"]),
    default="self",
    show_default=True,
    help="What answers the goldens: the backend; for quantised ONNX files, literal arithmetic; or the float model.",
)
@click.option("--reference", type=FILE, metavar="FILE", help="The float model, for --oracle fp32-relative.")
@click.option(
    "--tolerance",
    callback=_tolerance,
    metavar="WORST[,RMS]",
    help="By how much raw outputs may differ from the goldens, as parts of their range.",
)
@click.option(
    "--rows", multiple=True, metavar="OUTPUT", help="A list of records in no certain order, as after NMS."
)
@click.option(
    "--card", type=FILE, metavar="FILE", help="Markdown for people: what the model is for, and its limits."
)
@click.option("--report", type=FILE, metavar="FILE", help="A page of HTML about how good the model is.")
@click.option("--output", "-o", type=FILE, help="A folder or .vedette file; default: NAME-VERSION.vedette")
@click.option("--overwrite", is_flag=True, help="Replace the bundle that is there.")
def pack(
    model: Path,
    params: Mapping[str, str],
    feeds: Mapping[str, str],
    state: Mapping[str, str],
    samples: Iterable[Path],
    checks: Iterable[Path],
    card: Path | None,
    report: Path | None,
    output: Path | None,
    overwrite: bool,
    **rest: Any,
) -> None:
    """Turn a model file into a bundle.

    MODEL is an ONNX (.onnx), OpenVINO IR (.xml, with its .bin), TensorFlow Lite (.tflite) or Keras (.keras) file, or
    the folder of a TensorFlow SavedModel. What it tells of itself is shown, and your options count more. What it does
    not tell is asked for by option, all at once; so begin with no option at all.
    """
    registry = current_registry()
    image = {name: rest.pop(name) for name in IMAGE_OPTIONS}
    references = {
        name: Path(source.removeprefix(REFERENCE))
        for name, source in feeds.items()
        if source.startswith(REFERENCE)
    }
    request = PackRequest(
        model=model,
        params=params,
        feeds={name: _feed(name, source) for name, source in feeds.items() if name not in references},
        references=references,
        state=state,
        image={name: value for name, value in image.items() if value is not None},
        samples=pictures_in(samples),
        documents=Documents(card=card, report=report),
        **rest,
    )
    with open_model(request, registry) as opened:
        request = _understood(request, opened, registry, pictures_in(checks) or request.samples, output)
        path = pack_opened(request, opened, registry, output, overwrite=overwrite)
    with open_bundle(path) as bundle:
        bundle.check_files()
        click.echo(f"wrote {bundle.path}\n\n{bundle_as_text(bundle)}")
        origins = Counter(golden.origin for golden in bundle.manifest.goldens)
        if set(origins) != {"sample"}:
            made = ", ".join(f"{count} {origin}" for origin, count in origins.items())
            click.echo(f"\ngoldens: {made}; give {GOLDENS} samples (--sample) for a proof on real pictures")
    if checks:
        click.echo()
        if not show_check(path, pictures_in(checks), registry, request.backend, path.parent):
            sys.exit(1)


def _understood(
    request: PackRequest,
    opened: OpenedModel,
    registry: Registry,
    pictures: Sequence[Path],
    output: Path | None,
) -> PackRequest:
    """The request with what the file tells, by the one decoder that knows it, or by the one that the user chooses by
    what each makes of ``pictures``; and say what was taken from there."""
    if opened.converted:
        click.echo(f"{request.model}: {opened.converted}")
    readings = find_readings(request, opened.facts, registry)
    if len(readings) > 1 and pictures:
        sheet = (output or Path()).parent / f"{request.model.stem}.choices"
        readings = [choose_reading(readings, opened, registry, pictures, sheet)]
    if len(readings) > 1:
        raise ambiguous(request.model, readings)
    for reading in readings:
        if reading.taken:
            taken = "".join(f"\n  {option}" for option in reading.taken)
            click.echo(f"{request.model}: {reading.summary()}; taken from there:{taken}\n")
        return reading.request
    for other in find_readings(replace(request, task=None, decoder=None, params={}), opened.facts, registry):
        click.echo(f"{request.model}: could be {other.summary()}: {' '.join(other.taken)}", err=True)
    decoder = registry.postprocessors[request.decoder] if request.decoder else None
    return replace(request, params=typed_params(request.params, decoder)) if decoder else request


def _feed(name: str, source: str) -> PreprocessFeed | ConstantFeed:
    kind, _, rest = source.partition(":")
    if kind == "image" and not rest:
        return PreprocessFeed(name=kind)
    if kind == "preprocess" and rest:
        return PreprocessFeed(name=rest)
    if kind == "constant":
        try:
            return ConstantFeed(value=json.loads(rest))
        except ValueError:
            raise click.BadParameter(f"{rest!r} is not JSON, as in --feed {name}=constant:[0.5,1]") from None
    raise click.BadParameter(
        f"{source!r} is none of image, preprocess:NAME, reference:FILE and constant:VALUE",
        param_hint="--feed",
    )
