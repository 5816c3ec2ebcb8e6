"""``vedette new-plugin``: write a package that is a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.scaffold.write import KINDS, write_plugin


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin adds.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write vedette-NAME into; default: this one.",
)
def new_plugin(name: str, kind: str, out: Path) -> None:
    """Write a new plugin NAME: an installable package that works, with tests that pass.

    It holds an example, to be replaced by your own.
    """
    folder = write_plugin(name, kind, out)
    shown = folder if folder.is_absolute() else f"./{folder}"
    click.echo(
        f"wrote {folder}\n"
        f"\n  install it   pip install -e '{shown}[test]'"
        f"\n  test it      pytest {shown}"
        "\n  see it       vedette plugins"
    )
