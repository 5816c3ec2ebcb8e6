"""``python -m bench [NAME ...]``: run the benchmarks of this repository."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from bench.figures import Outcome, render, to_builtins
from bench.options import Options, find_data
from vedette.cli.bench import StatusLine

NAMES = (
    "startup",
    "glue",
    "ideal",
    "proof",
    "isolation",
    "model_api",
    "recurrent",
    "tracking",
    "face_search",
)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="See that they work; the figures mean little.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--output", type=click.Path(path_type=Path), help="Also write JSON to this file.")
def main(names: tuple[str, ...], quick: bool, as_json: bool, output: Path | None) -> None:
    """Run the named benchmarks, or all of them, and compare with their targets.

    VEDETTE_DATA names the folder of real videos and models. What runs is said on stderr.
    """
    outcomes: dict[str, Outcome] = {}
    line = StatusLine(sys.stderr)
    for name in names or NAMES:
        click.echo(f"{name} ...", err=True)
        run: Callable[[Options], Outcome] = importlib.import_module(f"bench.{name}").run
        outcomes[name] = run(Options(quick=quick, data=find_data(), say=line.show))
        line.clear()
    plain = json.dumps(to_builtins(outcomes), indent=2)
    if output is not None:
        output.write_text(plain + "\n")
    click.echo(plain if as_json else render(outcomes))


if __name__ == "__main__":
    main()
