"""The format ``clips``: videos of one class each, in folders of classes or listed in a table.

``root/CLASS/*.mp4`` or ``root/{train,val,test}/CLASS/*.mp4``, as pictures lie in the format ``folders``; or a table
``root/labels.csv`` whose first line names its columns: ``file`` (below ``root``) and ``label``, and if there are such,
``split`` and one of ``source``, ``source_video`` and ``group``, the footage that a clip was cut from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from vedette_torch.data.errors import DataError
from vedette_torch.data.folders import classes_of_folders, empty_class
from vedette_torch.data.found import Found, FoundClip
from vedette_torch.data.layout import WHOLE, existing_folder, files_below, is_clip, read_text, split_named
from vedette_torch.data.samples import Problem

TABLE = "labels.csv"
FILE, LABEL, SPLIT = "file", "label", "split"
GROUPS = ("source", "source_video", "group")
"""Columns that may name the footage, the first that is there."""


def find_clips(root: Path) -> Found[FoundClip]:
    """Find the clips of a folder and their classes. Nothing is decoded.

    Problems are ``empty_class``, and ``not_a_clip`` for other files of a class's folder; of a table ``missing_file``
    (named in it and not there), ``missing_label`` (a row without a label, or a video without a row), ``bad_label`` (a
    split that is none) and ``duplicate`` (a second row for a file).

    Raises
    ------
    DataError
        There are no classes, the table cannot be read, or it lacks a column.
    """
    table = existing_folder(root) / TABLE
    return _listed(root, table) if table.is_file() else classes_of_folders(root, FoundClip, is_clip, "clip")


def _listed(root: Path, table: Path) -> Found[FoundClip]:
    rows = _rows(table)
    names = tuple(sorted({label for row in rows if (label := _cell(row, LABEL))}))
    problems: list[Problem] = []
    entries: dict[Path, FoundClip] = {}
    named: set[Path] = set()
    for line, row in enumerate(rows, 2):
        path = root / _cell(row, FILE)
        problem = _problem(root, path, row)
        if problem is None and path in named:
            problem = Problem(
                path=path, kind="duplicate", message=f"line {line} of {table.name} names it again"
            )
        named.add(path)
        if problem is not None:
            problems.append(problem)
            continue
        entries[path] = FoundClip(
            path=path,
            class_id=names.index(_cell(row, LABEL)),
            split=split_named(_cell(row, SPLIT)) or WHOLE,
            group=next((_cell(row, name) for name in GROUPS if name in row), ""),
        )
    for path in files_below(root):
        if is_clip(path) and path not in named:
            message = f"{table.name} has no row for it"
            problems.append(Problem(path=path, kind="missing_label", message=message))
    problems += _empty(root, names, list(entries.values()))
    return Found(entries=list(entries.values()), labels=names, problems=problems)


def _rows(table: Path) -> list[Mapping[str, str | None]]:
    try:
        reader = csv.DictReader(read_text(table).splitlines(), skipinitialspace=True)
        rows: list[Mapping[str, str | None]] = list(reader)
        columns = reader.fieldnames or ()
    except (ValueError, csv.Error) as error:
        raise DataError(
            f"{table} cannot be read as a table: {error}", fix="save it as CSV in UTF-8"
        ) from None
    if missing := [name for name in (FILE, LABEL) if name not in columns]:
        raise DataError(
            f"{table} has no column {missing[0]!r}",
            fix=f"its first line names the columns: {FILE}, {LABEL}, and if there are such {SPLIT}, {GROUPS[0]}",
        )
    return rows


def _problem(root: Path, path: Path, row: Mapping[str, str | None]) -> Problem | None:
    """What is wrong with a row, if anything."""
    split = _cell(row, SPLIT)
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        return Problem(path=path, kind="missing_file", message=f"{TABLE} names it, and there is no such file")
    if not is_clip(path):
        return Problem(
            path=path, kind="not_a_clip", message=f"{TABLE} names it, and it is no video by its suffix"
        )
    if not _cell(row, LABEL):
        return Problem(path=path, kind="missing_label", message=f"its row in {TABLE} has no label")
    if split and split_named(split) is None:
        return Problem(path=path, kind="bad_label", message=f"{split!r} is none of train, val and test")
    return None


def _cell(row: Mapping[str, str | None], name: str) -> str:
    return (row.get(name) or "").strip()


def _empty(root: Path, names: tuple[str, ...], entries: list[FoundClip]) -> Iterator[Problem]:
    for split in sorted({entry.split for entry in entries}):
        there = {entry.class_id for entry in entries if entry.split == split}
        for class_id, name in enumerate(names):
            if class_id not in there:
                yield empty_class(root / TABLE, root, split, name, "clip")
