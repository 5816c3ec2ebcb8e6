"""``vedette card``: the card of a model, and how it comes into a bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from vedette.bundle.documents import Documents, add_documents
from vedette.cli import current_registry
from vedette.model.named import open_named
from vedette_torch.card.markdown import render_card
from vedette_torch.card.text import read_card_text
from vedette_torch.report.output import write_text
from vedette_torch.report.sources import read_sources

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--text", type=FILE, required=True, help="card.toml: intended use, limits, licences, citation, by you."
)
@click.option("--out", type=FILE, default="card.md", show_default=True, help="Where the card is written.")
@click.option("--into", metavar="BUNDLE", help="Put the card into a copy of this bundle.")
@click.option("--report", type=FILE, help="With --into: put this report.html beside it.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="With --into: a folder or .vedette file."
)
@click.option("--overwrite", is_flag=True, help="Replace the bundle that is there.")
def card(
    sources: tuple[str, ...],
    text: Path,
    out: Path,
    into: str | None,
    report: Path | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    r"""Write the card of a model from what was measured of it, and from your own words.

    \b
    vedette card runs/cifar evaluation.json int8.json --text card.toml --out card.md
    vedette card cifar.vedette evaluation.json --text card.toml --into cifar.vedette --report report.html -o out.vedette

    SOURCES are a run folder, a bundle, and files that `vedette evaluate … --json` and `vedette quantize … --json`
    printed. Sign a bundle after the card is in it: another card makes another bundle.
    """
    if (into is None) != (output is None) or (report is not None and into is None):
        raise click.UsageError(
            "--into, --output and --report go together: --into BUNDLE -o NEW [--report FILE]"
        )
    registry = current_registry()
    facts = replace(read_sources(sources, registry), author=read_card_text(text))
    write_text(out, render_card(facts))
    click.echo(f"wrote {out}")
    if into is not None and output is not None:
        with open_named(into, registry) as bundle:
            add_documents(bundle, output, Documents(card=out, report=report), overwrite=overwrite)
        click.echo(f"wrote {output}")
