"""``vedette data check``: what is in a folder of data, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.decoding import image_decoder
from vedette_torch.data.reading import FINDERS, DataFolder, read_data
from vedette_torch.data.samples import BoxesSample
from vedette_torch.progress import progress_bar


@click.group()
def data() -> None:
    """Look at data before a model is trained on it."""


@data.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--format", "format_", type=click.Choice(["auto", *FINDERS]), default="auto", show_default=True)
@click.option("--unpack-to", type=click.Path(path_type=Path), help="Where to unpack a .zip file.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there is any problem.")
@click.option(
    "--most", type=click.IntRange(min=0), default=20, show_default=True, help="Paths shown of each kind."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all problems.")
def check(folder: Path, format_: Any, unpack_to: Path | None, strict: bool, most: int, as_json: bool) -> None:
    """Read FOLDER, or a .zip file, as it is read for training and evaluation: every picture is decoded whole.

    What is wrong is listed by path: pictures that are cut off, classes without pictures, boxes outside of their
    pictures, labels without pictures and pictures without labels, the same file in two splits ...
    """
    decode = image_decoder(current_registry())
    with progress_bar("pictures") as progress:
        found = read_data(folder, format_, unpack_to=unpack_to, decode=decode, progress=progress)
    click.echo(json.dumps(as_plain(found), indent=2) if as_json else as_text(found, most))
    if strict and found.problems:
        sys.exit(1)


def as_plain(found: DataFolder[Any]) -> dict[str, Any]:
    """In plain values."""
    return {
        "root": str(found.root),
        "format": found.format,
        "labels": list(found.labels),
        "splits": {name: _counts(found, name) for name in found.splits},
        "problems": [
            {"path": str(item.path), "kind": item.kind, "message": item.message} for item in found.problems
        ],
    }


def as_text(found: DataFolder[Any], most: int) -> str:
    """In words: a table of the splits, then the problems by kind, ``most`` of each."""
    counts = {name: _counts(found, name) for name in found.splits}
    header = ["split", *next(iter(counts.values()))]
    lines = [f"{found.root}: {found.format}, {len(found.labels)} classes", ""]
    lines += table(header, [[name, *values.values()] for name, values in counts.items()])
    kinds = Counter(problem.kind for problem in found.problems)
    lines += ["", f"{len(found.problems)} problems" if kinds else "no problems"]
    for kind, number in kinds.most_common():
        lines += ["", f"{kind}: {number}"]
        own = [problem for problem in found.problems if problem.kind == kind]
        lines += [f"  {problem.path}: {problem.message}" for problem in own[:most]]
        if number > most:
            lines.append(f"  and {number - most} more; --most or --json shows them")
    return "\n".join(lines)


def _counts(found: DataFolder[Any], split: str) -> dict[str, int]:
    samples = found.splits[split].samples
    boxes = [sample for sample in samples if isinstance(sample, BoxesSample)]
    if not boxes:
        classes = Counter(sample.class_id for sample in samples)
        return {
            "pictures": len(samples),
            "classes": len(classes),
            "fewest of a class": min(classes.values()),
            "most of a class": max(classes.values()),
        }
    classes = Counter(int(id_) for sample in boxes for id_ in sample.class_id)
    return {
        "pictures": len(samples),
        "without objects": sum(not len(sample.xyxy) for sample in boxes),
        "boxes": sum(classes.values()),
        "classes": len(classes),
        "groups": len({sample.group for sample in boxes if sample.group}),
    }
