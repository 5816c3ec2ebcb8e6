"""``vedette check``: what a model finds in a picture, and whether it is fed rightly."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from vedette.bundle.pack import read_sample
from vedette.bundle.samples import Sample
from vedette.bundle.store import locate
from vedette.bundle.trial import open_trial
from vedette.checking.check import Check, Comparison, Look
from vedette.checking.check import check as check_trial
from vedette.checking.drawing import can_draw, draw
from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.decoding import image_decoder
from vedette.errors import BundleError
from vedette.model.named import carried, open_named
from vedette.registry import Registry
from vedette.results import Classification, ClipPrediction, Detections, Keypoints, Result
from vedette.sinks.record import class_name

MOST = 20
"""Findings that are listed for a picture."""
MANY = 8
"""Of more pictures, only the number of findings is shown."""
LONGEST = 28
"""Letters of a class name that are shown."""
FEW = 30
"""Findings with which a wrong order of colours shows in most models; fewer tell of gross mistakes only."""
NOT_DRAWN = "not drawn: no plugin here draws results; pip install vedette-video"


@click.command()
@click.argument("bundle")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--backend", metavar="NAME", help="Run it with this one; default: the first that can.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="For the annotated pictures; default: beside the bundle, for one by name the current folder.",
)
def check(bundle: str, pictures: tuple[Path, ...], backend: str | None, output: Path | None) -> None:
    """Run BUNDLE on PICTURES, show what it finds, and try the common mistakes.

    BUNDLE is a folder, a .vedette file or the name of a model; of a folder among PICTURES, all files in it.
    What is found is listed, and drawn into a picture of its own. Then the model is run with another order of colours,
    other values, another resize ...: the mistakes that people make when they pack. The exit code is 1 if one of them is
    clearly better than what the bundle says.
    """
    registry = current_registry()
    path = Path(bundle)
    by_name = carried(bundle, registry) is not None or locate(bundle) != path
    folder = output or (Path() if by_name else path.parent)
    if not show_check(bundle, pictures_in(pictures), registry, backend, folder):
        sys.exit(1)


def pictures_in(paths: Iterable[Path]) -> list[Path]:
    """The files named; of a folder, all files in it."""
    return [
        picture
        for path in paths
        for picture in (sorted(filter(Path.is_file, path.iterdir())) if path.is_dir() else [path])
    ]


def show_check(
    bundle: str | Path, pictures: Sequence[Path], registry: Registry, backend: str | None, folder: Path
) -> bool:
    """Check a bundle and print what comes of it. Annotated pictures are written into ``folder``, over those of an
    earlier check. Returns whether no mistake was found.

    Raises
    ------
    VedetteError
        There is no picture, the bundle or a picture cannot be read, or the model cannot be run.
    """
    if not pictures:
        raise BundleError(
            f"{bundle}: there is no picture to check it by", fix="name a picture, or a folder of some"
        )
    decode = image_decoder(registry)
    samples = [read_sample(path, decode, "the picture") for path in pictures]
    with open_named(bundle, registry) as opened, open_trial(opened, registry, backend) as trial:
        manifest = opened.manifest
        noun = "picture" if len(samples) == 1 else "pictures"
        click.echo(
            f"checking {manifest.name} {manifest.version} on {len(samples)} {noun}, with {trial.backend.name} on cpu"
        )
        done = check_trial(trial, samples)
        prefix = f"{opened.path.stem}.check"
    paths = write_drawings(done.pictures, done.given, registry, folder, prefix)
    most = MOST if len(samples) <= MANY else 0
    for number, (picture, result) in enumerate(zip(done.pictures, done.given.results, strict=True)):
        click.echo("\n" + "\n".join(findings_lines(picture, result, most)))
        if paths:
            click.echo(f"  drawn: {paths[number]}")
    if not paths:
        click.echo(f"\n{NOT_DRAWN}")
    click.echo("\n" + "\n".join(verdict_lines(done)))
    return done.mistake is None


def write_drawings(
    pictures: Sequence[Sample], look: Look, registry: Registry, folder: Path, prefix: str
) -> list[Path]:
    """Write the pictures with what was found in them, and say where; none if nothing here draws."""
    if not can_draw(registry):
        return []
    paths: list[Path] = []
    for picture, result in zip(pictures, look.results, strict=True):
        drawing = draw(registry, picture.pixels, result.type, result)
        name = f"{prefix}-{Path(picture.name).stem}"
        path = folder / f"{name}{drawing.suffix}"
        number = 1
        while path in paths:  # pictures of one name from several folders
            number += 1
            path = folder / f"{name}-{number}{drawing.suffix}"
        drawing.write(path)
        paths.append(path)
    return paths


# --- what was found -----------------------------------------------------------------------------------------------


def findings_lines(picture: Sample, result: Result, most: int) -> Iterator[str]:
    """The findings in one picture as a table, the surest first, ``most`` of them."""
    width, height = picture.pixels.size_wh
    yield f"{Path(picture.name).name}, {width} x {height}: {_count(result)}"
    header, rows = _rows(result)
    if rows and most:
        yield from (f"  {line}" for line in table(header, rows[:most]))
    if len(rows) > most > 0:
        yield f"  ... and {len(rows) - most} more"


def _count(result: Result) -> str:
    match result:
        case Detections():
            return f"{len(result)} found" if len(result) else "nothing found"
        case Classification() | ClipPrediction():
            return "the best classes" if result.class_id.size else "no class"
        case Keypoints():
            return f"{result.confidence.size} points"
        case _:
            return f"{len(result)} rows of {result.type}"


def _rows(result: Result) -> tuple[tuple[str, ...], list[list[str | int]]]:
    match result:
        case Detections():
            return ("class", "confidence", "x0", "y0", "x1", "y1"), [
                [_name(result, result.class_id[row]), f"{result.confidence[row]:10.2f}"]
                + [round(value) for value in result.xyxy[row].tolist()]
                for row in (-result.confidence).argsort(kind="stable")
            ]
        case Classification() | ClipPrediction():
            return ("class", "confidence"), [
                [_name(result, class_id), f"{confidence:10.2f}"]
                for class_id, confidence in zip(
                    result.class_id.ravel().tolist(), result.confidence.ravel().tolist(), strict=True
                )
            ]
        case Keypoints():
            return ("point", "confidence", "x", "y"), [
                [number, f"{confidence:10.2f}", round(x), round(y)]
                for number, (confidence, (x, y)) in enumerate(
                    zip(
                        result.confidence.ravel().tolist(), result.points.reshape(-1, 2).tolist(), strict=True
                    )
                )
            ]
        case _:
            return (), []


def _name(result: Result, class_id: int) -> str:
    name = class_name(result.labels, int(class_id))
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."


# --- what was tried -----------------------------------------------------------------------------------------------


def verdict_lines(done: Check) -> Iterator[str]:
    """The mistakes that were tried as a table, then what follows from it."""
    evidence = done.given.evidence
    if done.untried or evidence is None:
        yield f"common mistakes were not tried: {done.untried}"
        yield "  -> look at the picture, or compare results with those of the tool that the model comes from"
        return
    yield "common mistakes, tried on the same:"
    given: list[str | int] = ["as packed", done.given.found, _best(done.given), f"{evidence.total:8.2f}", ""]
    rows = [given, *map(_tried, done.tried)]
    yield from (f"  {line}" for line in table(("input", "findings", "best", "evidence", "gain/sd"), rows))
    yield from _notes(done)
    yield ""
    yield from _verdict(done, evidence.total, len(evidence))


def _tried(item: Comparison) -> list[str | int]:
    if item.look is None:
        return [item.alternative.title, 0, " -  ", "    does not run", ""]
    mark = "  clearly better" if item.clear else ""
    return [
        item.alternative.title,
        item.look.found,
        _best(item.look),
        f"{item.total:8.2f}",
        f"{item.sureness:+7.1f}{mark}",
    ]


def _best(look: Look) -> str:
    return f"{look.best:.2f}" if look.found else " -  "


def _notes(done: Check) -> Iterator[str]:
    for item in done.tried:
        if item.problem:
            yield f"  {item.alternative.title}: {item.problem}"


def _verdict(done: Check, total: float, findings: int) -> Iterator[str]:
    mistake = done.mistake
    if mistake is not None:
        yield f"PACKED WRONGLY: {mistake.alternative.title} is clearly better, {mistake.total:.2f} against {total:.2f}"
        yield f"  -> pack again with {mistake.alternative.options}"
        return
    if not total and not any(item.total > 0 for item in done.tried):
        yield "nothing is found that the mirrored picture confirms, whatever is tried"
        yield "  -> give pictures that show what the model looks for; else its decoder or parameters are wrong"
        return
    yield "nothing that was tried is clearly better than what the bundle says"
    if findings < FEW:
        yield (
            f"note: {findings} findings show gross mistakes only; a wrong order of colours or another resize "
            f"needs {FEW} or more, from many pictures"
        )
