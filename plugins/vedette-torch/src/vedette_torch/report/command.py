"""``vedette report``: one page about a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vedette.cli import current_registry
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.explain.picture import overlay
from vedette.registry import Registry
from vedette_torch.card.text import read_card_text
from vedette_torch.data.reading import FINDERS
from vedette_torch.data_options import DataOptions, LabelledData
from vedette_torch.evaluation.command import open_predictor
from vedette_torch.explain.command import Asked, opened
from vedette_torch.progress import progress_bar
from vedette_torch.report.facts import Facts
from vedette_torch.report.measure import measure
from vedette_torch.report.output import write_text
from vedette_torch.report.page import render
from vedette_torch.report.pictures import Saliency
from vedette_torch.report.sources import is_json, is_run, read_sources


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="report.html",
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="Labelled data: run and bundle are measured on it now, and their mistakes are shown.",
)
@click.option("--format", "format_", type=click.Choice(["auto", *FINDERS]), default="auto", show_default=True)
@click.option("--split", help="Which split; default: test, else val, else what there is.")
@click.option("--unpack-to", type=click.Path(path_type=Path), help="Where to unpack a .zip file.")
@click.option("--backend", help="Run the bundle on this backend.")
@click.option("--variant", help="This variant of the bundle.")
@click.option(
    "--worst",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="Mistakes that are shown.",
)
@click.option(
    "--pictures/--no-pictures",
    default=True,
    show_default=True,
    help="Whether pictures of the data are put into the page.",
)
@click.option(
    "--card",
    "card_text",
    type=click.Path(path_type=Path, exists=True),
    help="card.toml: intended use, limits and licences.",
)
def report(
    sources: tuple[str, ...],
    out: Path,
    data: Path | None,
    format_: Any,
    split: str | None,
    unpack_to: Path | None,
    backend: str | None,
    variant: str | None,
    worst: int,
    pictures: bool,
    card_text: Path | None,
) -> None:
    r"""Write one page about a model: a file that needs nothing else.

    \b
    vedette report runs/cifar cifar.vedette --data cifar10 --out report.html
    vedette report runs/cifar evaluation.json int8.json --card card.toml

    SOURCES are of one model: a run folder, a bundle, and files that `vedette evaluate … --json` and
    `vedette quantize … --json` printed. What is in none of them stands in the page as not measured, with the command
    that measures it.
    """
    registry = current_registry()
    facts = read_sources(sources, registry)
    if card_text is not None:
        facts = replace(facts, author=read_card_text(card_text))
    decode = image_decoder(registry)
    if data is not None:
        asked = DataOptions(folder=data, format_=format_, split=split, unpack_to=unpack_to, strict=False)
        wanted = {key: value for key, value in (("backend", backend), ("variant", variant)) if value}
        facts = _measured(facts, sources, asked.read(decode), worst, registry, wanted)
    explained = pictures and any(not mistake.boxes for mistake in facts.mistakes or ())
    with _saliency(sources, registry) if explained else nullcontext() as saliency:
        page = render(facts, pictures=decode if pictures else None, saliency=saliency)
    click.echo(f"wrote {out} ({write_text(out, page) / 1e6:.2f} MB)")


@contextmanager
def _saliency(sources: Sequence[str], registry: Registry) -> Iterator[Saliency]:
    """Where the run looks, by Grad-CAM; or the bundle, as it explains itself."""
    model = _models(sources)[0]
    with opened(model, registry, Asked(target=None, method=None, layer=None, cells=12), {}) as explain:
        yield lambda frame, longest: overlay(frame, explain(frame), longest)


def _models(sources: Sequence[str]) -> list[str]:
    """The sources that can be run, a run before a bundle."""
    return sorted((one for one in sources if not is_json(one)), key=lambda one: not is_run(one))


def _measured(
    facts: Facts,
    sources: Sequence[str],
    data: LabelledData,
    worst: int,
    registry: Registry,
    wanted: dict[str, Any],
) -> Facts:
    """The facts with what the run and the bundle among the sources do on the data."""
    models = _models(sources)
    if not models:
        raise VedetteError(
            "--data is given, but no run or bundle that could be measured",
            fix="name one, or leave --data out",
        )
    with progress_bar("measuring") as progress:
        return measure(
            facts,
            models,
            lambda model: open_predictor(model, registry, {}, {} if is_run(model) else wanted),
            data.samples,
            ", ".join(filter(None, (data.found.root.name, data.split))),
            image_decoder(registry),
            most=worst,
            progress=progress,
        )
