"""Several decoders could read a model: show what each makes of pictures, and ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vedette.bundle.opened import OpenedModel
from vedette.bundle.pack import read_sample
from vedette.bundle.reading import Reading, ambiguous
from vedette.bundle.samples import Sample
from vedette.bundle.trial import try_request
from vedette.checking.check import Look, look
from vedette.checking.drawing import Panel, can_draw, contact_sheet, draw
from vedette.checking.evidence import findings
from vedette.cli.check import NOT_DRAWN
from vedette.cli.report import table
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.registry import Registry

SHOWN = 4
"""Pictures on the contact sheet."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Attempt:
    """One reading of the model, tried; or why it could not be. It is ``possible`` unless the model was run and failed:
    one for which options are missing may still be the right one."""

    number: int
    reading: Reading
    look: Look | None
    error: VedetteError | None = None
    possible: bool = True


def choose_reading(
    readings: Sequence[Reading],
    opened: OpenedModel,
    registry: Registry,
    pictures: Sequence[Path],
    sheet: Path,
) -> Reading:
    """Run the model on pictures as each reading would have it, print what comes of it, and let the user choose.

    The only reading that is possible, because the model fails with the others, is taken without asking.

    Parameters
    ----------
    sheet
        Where the contact sheet goes, without the ending of its name: the pictures with what each reading finds in them,
        side by side.

    Raises
    ------
    BundleError
        Nobody is there to ask (standard input is no terminal): the options that choose each reading are named.
    VedetteError
        A picture cannot be read; or the model fails with every reading.
    """
    decode = image_decoder(registry)
    samples = [read_sample(path, decode, "the picture") for path in pictures]
    attempts = [
        _attempt(number, reading, opened, registry, samples) for number, reading in enumerate(readings, 1)
    ]
    possible = [attempt for attempt in attempts if attempt.possible]
    model = readings[0].request.model
    if not possible:
        assert attempts[0].error is not None
        raise attempts[0].error
    click.echo(f"{model}: {len(readings)} decoders could read it\n")
    click.echo("\n".join(_lines(attempts)))
    if len(possible) == 1:
        click.echo(f"\nthe model fails with the others, so {possible[0].number} is taken\n")
        return possible[0].reading
    shown = [attempt for attempt in attempts if attempt.look is not None]
    if shown:
        click.echo(_draw_sheet(shown, samples, registry, sheet))
    if not _is_terminal():
        raise ambiguous(model, [attempt.reading for attempt in possible], advice="")
    choice = click.prompt("which one", type=click.Choice([str(attempt.number) for attempt in possible]))
    return readings[int(choice) - 1]


def _attempt(
    number: int, reading: Reading, opened: OpenedModel, registry: Registry, samples: Sequence[Sample]
) -> Attempt:
    complete = False
    try:
        with try_request(reading.request, opened, registry) as trial:
            complete = True
            return Attempt(number=number, reading=reading, look=look(trial, samples))
    except VedetteError as error:
        return Attempt(number=number, reading=reading, look=None, error=error, possible=not complete)


def _lines(attempts: Sequence[Attempt]) -> Iterator[str]:
    """A table, and below it what each number stands for."""
    rows = [
        [attempt.number, attempt.reading.request.decoder, *_figures(attempt.look)] for attempt in attempts
    ]
    yield from (f"  {line}" for line in table(("", "decoder", "found", "best", "evidence"), rows))
    yield ""
    for attempt in attempts:
        yield f"  {attempt.number}  {attempt.reading.why}"
        yield f"     {' '.join(attempt.reading.taken)}"
        if attempt.error is not None:
            what = "fails" if not attempt.possible else "cannot be tried"
            yield f"     {what}: {attempt.error}".replace("\n", "\n     ")


def _figures(look: Look | None) -> list[str]:
    if look is None:
        return ["-", "-", "-"]
    evidence = "-" if look.evidence is None else f"{look.evidence.total:8.2f}"
    return [f"{look.found:5}", f"{look.best:.2f}", evidence]


def _draw_sheet(
    attempts: Sequence[Attempt], samples: Sequence[Sample], registry: Registry, path: Path
) -> str:
    """Write the contact sheet, a row for each picture and a column for each reading; where it is, in words."""
    if not can_draw(registry):
        return NOT_DRAWN
    rows = [
        [_panel(attempt, position, picture, registry) for attempt in attempts]
        for position, picture in enumerate(samples[:SHOWN])
    ]
    drawing = contact_sheet(registry, rows)
    path = path.with_name(path.name + drawing.suffix)
    drawing.write(path)
    return f"side by side: {path}\n"


def _panel(attempt: Attempt, position: int, picture: Sample, registry: Registry) -> Panel:
    assert attempt.look is not None
    result = attempt.look.results[position]
    found = findings(result, picture.pixels.size_wh)
    best = 0.0 if found is None else float(found.weight.max(initial=0.0))
    return Panel(
        title=f"{attempt.number} {attempt.reading.request.decoder}",
        confidence=best,
        drawing=draw(registry, picture.pixels, result.type, result),
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty()
