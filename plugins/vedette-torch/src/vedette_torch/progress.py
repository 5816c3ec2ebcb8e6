"""Progress of long work on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from vedette_torch.data.pictures import Progress


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar on standard error that appears with the first report; nothing where that is not a terminal."""
    with ExitStack() as stack:
        bar = None

        def report(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                made = click.progressbar(
                    length=total, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
                )
                bar = stack.enter_context(made)
            bar.update(done - bar.pos)

        yield report
