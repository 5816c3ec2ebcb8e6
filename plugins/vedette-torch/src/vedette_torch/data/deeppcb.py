"""The format ``deeppcb``: pairs of a flawless and a tested board (Tang et al. 2019, "Online PCB Defect Detector On A
New PCB Defect Dataset").

``ID_temp.png`` and ``ID_test.png`` with ``ID.txt``, lines ``x1 y1 x2 y2 type`` in pixels, with blanks or commas; the
text may lie in a folder ``..._not`` beside the pictures' folder, as in the original. The first five digits of the id
name the board, which becomes the ``group``: pairs of one board are alike and belong in one split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundBoxes
from vedette_torch.data.layout import existing_folder, files_below, is_picture, read_text, split_of
from vedette_torch.data.samples import Problem

LABELS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
"""Types 1 to 6."""
BOARD_DIGITS = 5


def find_deeppcb(root: Path) -> Found[FoundBoxes]:
    """Find the pairs of a folder.

    ``missing_label``, ``label_without_image``, ``missing_template`` and ``bad_label`` are left out.

    Raises
    ------
    DataError
        There is no ``*_test`` picture.
    """
    files = list(files_below(existing_folder(root)))
    pictures = {path.stem: path for path in files if is_picture(path)}
    texts = {path.stem: path for path in files if path.suffix == ".txt" and path.stem.isdigit()}
    tests = {stem.removesuffix("_test"): path for stem, path in pictures.items() if stem.endswith("_test")}
    if not tests:
        raise DataError(f"{root} holds no *_test pictures")
    entries: list[FoundBoxes] = []
    problems: list[Problem] = []
    for name, picture in sorted(tests.items()):
        template, text = pictures.get(f"{name}_temp"), texts.pop(name, None)
        if template is None:
            problems.append(
                _problem(picture, "missing_template", f"there is no {name}_temp picture beside it")
            )
        elif text is None:
            problems.append(_problem(picture, "missing_label", f"there is no {name}.txt"))
        else:
            try:
                entries.append(
                    _pair(name, picture, template, text, split_of(picture.relative_to(root).parts[:-1]))
                )
            except ValueError as error:
                problems.append(_problem(text, "bad_label", str(error)))
    problems += [
        _problem(text, "label_without_image", "there is no picture for it") for text in texts.values()
    ]
    return Found(entries=entries, labels=LABELS, problems=problems)


def _pair(name: str, picture: Path, template: Path, text: Path, split: str) -> FoundBoxes:
    rows: list[list[float]] = []
    where: list[str] = []
    for number, line in enumerate(read_text(text).splitlines(), 1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise ValueError(f"line {number}: {line[:60]!r} is not a row of numbers") from None
        if len(words) != 5 or not words[4].isdigit():
            raise ValueError(f"line {number}: must be x1 y1 x2 y2 type, not {line[:60]!r}")
        where.append(f"line {number}")
    table = np.array(rows, np.float64).reshape(-1, 5)
    return FoundBoxes(
        path=picture,
        source=text,
        xyxy=table[:, :4],
        class_id=table[:, 4].astype(np.int64) - 1,
        where=where,
        split=split,
        template=template,
        group=name[:BOARD_DIGITS],
    )


def _problem(path: Path, kind: str, message: str) -> Problem:
    return Problem(path=path, kind=kind, message=message)
