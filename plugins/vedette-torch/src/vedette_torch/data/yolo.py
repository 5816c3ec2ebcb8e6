"""The format ``yolo``: a text file for each picture, a box per line: ``class cx cy w h`` in parts of its sides.

A line with more numbers is a polygon, ``class x y x y ...``, and counts as the box around it. Labels lie where the
tools put them: ``images/train/a.jpg`` and ``labels/train/a.txt``, ``train/images/a.jpg`` and ``train/labels/a.txt``,
or side by side. Class names are those of ``data.yaml`` (any ``.yaml`` with ``names``), ``classes.txt``, ``obj.names``
or another ``.names``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundBoxes
from vedette_torch.data.layout import (
    existing_folder,
    files_below,
    is_picture,
    read_text,
    split_named,
    split_of,
)
from vedette_torch.data.samples import Problem

_Boxes = tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...]]
_NO_BOXES: _Boxes = np.zeros((0, 4)), np.zeros(0, np.int64), ()


def find_yolo(root: Path) -> Found[FoundBoxes]:
    """Find the pictures of a folder and their boxes.

    A picture without a label file has no objects for the tools that write this format: it is kept, with the problem
    ``missing_label`` (an empty file says the same on purpose). ``label_without_image`` and ``bad_label`` are left out.

    Raises
    ------
    DataError
        There is no picture, or there are no class names.
    """
    files = list(files_below(existing_folder(root)))
    names_files, labels = class_names(root, files)
    pictures = {_label_of(path, root): path for path in files if is_picture(path)}
    if not pictures:
        raise DataError(f"{root} holds no pictures")
    entries: list[FoundBoxes] = []
    problems: list[Problem] = []
    for label, picture in pictures.items():
        xyxy, class_id, where = _NO_BOXES
        try:
            if label.is_file():
                xyxy, class_id, where = _read(label)
            else:
                message = f"there is no {label.relative_to(root)}: taken as a picture without objects"
                problems.append(Problem(path=picture, kind="missing_label", message=message))
        except ValueError as error:
            problems.append(Problem(path=label, kind="bad_label", message=str(error)))
            continue
        split = split_of(picture.relative_to(root).parts[:-1])
        entries.append(
            FoundBoxes(
                path=picture,
                source=label,
                xyxy=xyxy,
                class_id=class_id,
                where=where,
                split=split,
                relative=True,
            )
        )
    folders = {label.parent for label in pictures}
    for path in files:
        is_label = path.suffix == ".txt" and (
            path.parent in folders or "labels" in path.relative_to(root).parts
        )
        if is_label and path not in pictures and path not in names_files and not split_named(path.stem):
            message = "there is no picture for this label file"
            problems.append(Problem(path=path, kind="label_without_image", message=message))
    return Found(entries=entries, labels=labels, problems=problems)


def _label_of(picture: Path, root: Path) -> Path:
    """Where the label file of a picture is, there or not: the last folder ``images`` becomes ``labels``."""
    parts = list(picture.relative_to(root).with_suffix(".txt").parts)
    for at in reversed(range(len(parts) - 1)):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return root.joinpath(*parts)


def _read(path: Path) -> _Boxes:
    xyxy, class_id, where = [], [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            try:
                id_, box = _parse(line.split())
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            class_id.append(id_)
            xyxy.append(box)
            where.append(f"line {number}")
    return np.array(xyxy, np.float64).reshape(-1, 4), np.array(class_id, np.int64), tuple(where)


def _parse(words: list[str]) -> tuple[int, tuple[float, float, float, float]]:
    try:
        id_, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise ValueError(f"{' '.join(words)[:60]!r} is not a row of numbers") from None
    if not id_.is_integer():
        raise ValueError(f"the class must be a whole number, not {words[0]}")
    if len(values) == 4:
        cx, cy, w, h = values
        return int(id_), (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return int(id_), (min(xs), min(ys), max(xs), max(ys))
    raise ValueError(f"it has {len(words)} numbers, not class cx cy w h, nor a class and a polygon")


def class_names(root: Path, files: list[Path]) -> tuple[set[Path], tuple[str, ...]]:
    """The files that could hold class names, and the names."""
    lists = [path for path in files if path.name == "classes.txt" or path.suffix == ".names"]
    yamls = [path for path in files if path.parent == root and path.suffix in (".yaml", ".yml")]
    for path in yamls:
        if names := _yaml_names(path):
            return set(lists), names
    for path in sorted(lists, key=lambda path: len(path.parts)):
        try:
            lines = [line.strip() for line in read_text(path).splitlines()]
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None
        while lines and not lines[-1]:
            lines.pop()
        if lines:
            return set(lists), tuple(lines)
    raise DataError(
        f"{root} has no class names",
        fix="put a classes.txt there with one name per line, or a data.yaml with `names`",
    )


def _yaml_names(path: Path) -> tuple[str, ...]:
    """The ``names`` of a file as Ultralytics has it, a list or a map from number to name; empty if it has none."""
    import yaml  # type: ignore[import-untyped]

    try:
        content: Any = yaml.safe_load(read_text(path, 1 << 20))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: {error}", fix="correct it; only `names` is read of it") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DataError(f"{path}: `names` must number the classes from 0 without gaps")
        names = [names[number] for number in range(len(names))]
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str | int) for name in names)
    ):
        raise DataError(f"{path}: `names` must be a list of texts")
    return tuple(map(str, names or ()))
