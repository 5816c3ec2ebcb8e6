"""The format ``sequences``: tables whose rows are a class and numbers, as key-points over time are written down.

A row is ``label, number, number ...``, as many in every row; a first line that names the columns is passed over. Labels
are names, or numbers from 0, which a file ``labels.txt`` beside the table may give names, one per line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundSequence
from vedette_torch.data.layout import existing_folder, files_below, read_text, split_named, split_of
from vedette_torch.data.samples import Dataset, Problem, SequenceSample

LABELS = "labels.txt"
LARGEST = 1 << 30
"""Bytes of a table."""


@dataclass(frozen=True, slots=True)
class _Row:
    path: Path
    number: int
    label: str
    values: NDArray[np.float32]


def find_sequences(root: Path) -> Found[FoundSequence]:
    """Read the rows of a table, or of all tables (``*.csv``) below a folder.

    The split of a table is that of its name or of the folders that it lies in. Problems are ``bad_row`` (a row with
    what is no finite number, or with another count of them; the line is named), ``missing_label``,
    ``class_beyond_names`` and ``empty_class`` (a name of ``labels.txt`` without a row).

    Raises
    ------
    DataError
        There is no table, or one cannot be read.
    """
    tables = (
        [root] if root.is_file() else [p for p in files_below(existing_folder(root)) if p.suffix == ".csv"]
    )
    if not tables:
        raise DataError(f"{root} holds no table", fix="give a .csv file, or a folder with some")
    problems: list[Problem] = []
    rows = [row for table in tables for row in _rows(table, problems)]
    width = max({len(row.values) for row in rows}, key=[len(row.values) for row in rows].count, default=0)
    names = _names(tables, rows)
    entries = []
    for row in rows:
        problem = _problem(row, width, names)
        if problem is not None:
            problems.append(problem)
            continue
        below = row.path.relative_to(root).parent.parts if row.path != root else ()
        entries.append(
            FoundSequence(
                path=row.path,
                row=row.number,
                class_id=_class_id(row.label, names),
                values=row.values,
                split=split_named(row.path.stem) or split_of(below),
            )
        )
    there = {entry.class_id for entry in entries}
    problems += [
        Problem(path=tables[0], kind="empty_class", message=f"the class {name!r} has no row")
        for class_id, name in enumerate(names)
        if class_id not in there
    ]
    return Found(entries=entries, labels=names, problems=problems)


def hold_back_blocks(
    dataset: Dataset[SequenceSample], folds: int, fold: int, guard: int
) -> tuple[list[SequenceSample], list[SequenceSample]]:
    """What to learn from and what to judge by, of rows that follow upon each other in time.

    Neighbouring rows are windows over the same seconds, and a split at random would judge by what was learnt. So each
    class's rows, in the order of the table, are cut into ``folds`` contiguous parts; the part ``fold`` (from 0) judges,
    and ``guard`` rows on both sides of it are left out.

    Raises
    ------
    DataError
        A class has too few rows.
    """
    train: list[SequenceSample] = []
    test: list[SequenceSample] = []
    for class_id, name in enumerate(dataset.labels):
        rows = [sample for sample in dataset.samples if sample.class_id == class_id]
        first, end = (len(rows) * at // folds for at in (fold, fold + 1))
        part = [*rows[: max(first - guard, 0)], *rows[end + guard :]]
        if rows and (first == end or not part):
            raise DataError(
                f"the class {name!r} has {len(rows)} rows, too few for {folds} parts with {guard} between them",
                fix="get more rows, or hold back fewer parts",
            )
        train += part
        test += rows[first:end]
    return train, test


def _rows(table: Path, problems: list[Problem]) -> Iterator[_Row]:
    try:
        lines = list(csv.reader(read_text(table, LARGEST).splitlines()))
    except (ValueError, csv.Error) as error:
        raise DataError(
            f"{table} cannot be read as a table: {error}", fix="save it as CSV in UTF-8"
        ) from None
    begin = 1 if lines and lines[0][1:] and _numbers(lines[0][1:]) is None else 0
    for number, cells in enumerate(lines[begin:]):
        values = _numbers(cells[1:])
        where = f"line {number + begin + 1}"
        if not cells:
            continue
        if values is None or not len(values):
            problems.append(
                Problem(path=table, kind="bad_row", message=f"{where} holds what is no finite number")
            )
        elif not cells[0].strip():
            problems.append(Problem(path=table, kind="missing_label", message=f"{where} has no label"))
        else:
            yield _Row(table, number, cells[0].strip(), values)


def _numbers(cells: Sequence[str]) -> NDArray[np.float32] | None:
    try:
        values = np.array([float(cell) for cell in cells], np.float32)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _names(tables: Sequence[Path], rows: Sequence[_Row]) -> tuple[str, ...]:
    """The class names: those of ``labels.txt``, else the labels themselves, numbers in their order."""
    listed = tables[0].parent / LABELS
    if listed.is_file():
        try:
            return tuple(line.strip() for line in read_text(listed).splitlines() if line.strip())
        except ValueError as error:
            raise DataError(f"{listed} cannot be used: {error}") from None
    labels = {row.label for row in rows}
    if all(label.isdecimal() for label in labels):
        return tuple(str(number) for number in range(max(map(int, labels), default=-1) + 1))
    return tuple(sorted(labels))


def _class_id(label: str, names: tuple[str, ...]) -> int:
    return names.index(label) if label in names else int(label)


def _problem(row: _Row, width: int, names: tuple[str, ...]) -> Problem | None:
    """What is wrong with a row beside the others, if anything."""
    if len(row.values) != width:
        message = f"row {row.number} has {len(row.values)} numbers, others have {width}"
        return Problem(path=row.path, kind="bad_row", message=message)
    if row.label not in names and not (row.label.isdecimal() and int(row.label) < len(names)):
        message = f"row {row.number}: there is no name for the class {row.label!r}"
        return Problem(path=row.path, kind="class_beyond_names", message=message)
    return None
