"""The options by which commands are told the labelled data that they measure on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from vedette.frame import Decode
from vedette_torch.data.reading import FINDERS, DataFolder, read_data
from vedette_torch.data.samples import Dataset
from vedette_torch.progress import progress_bar

BEST = ("test", "val", "all", "train")
"""The splits in the order in which one is taken where none is named."""

_OPTIONS = (
    click.option(
        "--data",
        "folder",
        type=click.Path(path_type=Path, exists=True),
        required=True,
        help="Labelled pictures to measure on, seen by no training: a folder or .zip.",
    ),
    click.option(
        "--format", "format_", type=click.Choice(["auto", *FINDERS]), default="auto", show_default=True
    ),
    click.option("--split", help="Which split; default: test, else val, else what there is."),
    click.option("--unpack-to", type=click.Path(path_type=Path), help="Where to unpack a .zip file."),
    click.option("--strict", is_flag=True, help="Refuse data with problems."),
)


@dataclass(frozen=True, kw_only=True)
class LabelledData:
    """What was read: the samples of one split, its name if it has one, what to call them, and the whole folder."""

    samples: Dataset[Any]
    split: str | None
    title: str
    found: DataFolder[Any]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What the user said."""

    folder: Path
    format_: Any
    split: str | None
    unpack_to: Path | None
    strict: bool

    def read(self, decode: Decode) -> LabelledData:
        """Find the samples, with a bar of progress; a line on standard error tells of problems.

        Raises
        ------
        DataError
            There is no such data or split, or it has problems and they are to be refused.
        """
        with progress_bar("reading") as progress:
            found = read_data(
                self.folder,
                self.format_,
                strict=self.strict,
                unpack_to=self.unpack_to,
                decode=decode,
                progress=progress,
            )
        if found.problems:
            click.echo(
                f"note: the data has {len(found.problems)} problems: vedette data check {self.folder}",
                err=True,
            )
        name = self.split or next((name for name in BEST if name in found.splits), None)
        title = f"{found.root}, {name}" if name else str(found.root)
        return LabelledData(samples=found.split(name), split=name, title=title, found=found)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--data``, ``--format``, ``--split``, ``--unpack-to`` and ``--strict``, which it gets
    as the keyword ``data``, a :class:`DataOptions`."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        names = DataOptions.__dataclass_fields__
        said = DataOptions(**{name: given.pop(name) for name in names})
        command(data=said, **given)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
