"""What a person sees of a training: a bar on a terminal, and a line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from vedette_torch.training.position import Row


@contextmanager
def progress_bar(label: str, steps: int, done: int, shown: bool) -> Iterator[Callable[[str], None]]:
    """A bar of ``steps`` on standard error, of which some are ``done``; call what is given after each further one,
    with a few words. Nothing is written where it is not ``shown`` or there is no terminal."""
    if not shown or not sys.stderr.isatty():
        yield lambda words: None
        return
    with click.progressbar(
        length=steps, label=label, file=sys.stderr, item_show_func=lambda words: words, width=24
    ) as bar:
        bar.update(done)
        yield lambda words: bar.update(1, words)


def epoch_line(row: Row, epochs: int) -> str:
    """``epoch  3/60  train_loss 1.234  val_loss 1.301  val_top1 0.612  12.3 s``."""
    shown = {
        name: value
        for name, value in row.items()
        if name == "train_loss" or (name.startswith("val_") and name != "val_pictures")
    }
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
    return f"epoch {int(row['epoch']) + 1:>3}/{epochs}  {numbers}  {row['seconds']:.1f} s"
