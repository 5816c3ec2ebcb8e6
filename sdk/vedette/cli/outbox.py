"""``vedette outbox``: what waits in the outbox of a sink, and what its destination would not take."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.errors import ConfigError
from vedette.outbox.store import Store


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--retry", is_flag=True, help="Have what was refused wait again, to be delivered with the next run."
)
def outbox(path: Path, retry: bool) -> None:
    """Show the outbox at PATH, while no pipeline uses it: what waits, and what was refused and why.

    While a pipeline runs, its summary says the same.
    """
    if not path.is_file():
        raise ConfigError(
            f"outbox {path}: there is no such file", fix="give the path in the sink's outbox = { ... }"
        )
    store = Store(path.absolute())
    try:
        refused = store.refused()
        if retry:
            click.echo(f"{store.retry_refused()} refused events wait again")
            refused = []
        click.echo(f"{store.waiting} events wait ({store.size / 1e6:.1f} MB), {len(refused)} were refused")
        for item in refused:
            click.echo(f"  {item.id}  {item.reason}")
    finally:
        store.close()
