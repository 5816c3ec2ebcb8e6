"""The format ``voc``: an XML file for each picture, as Pascal VOC and labelImg write it.

``JPEGImages/a.jpg`` and ``Annotations/a.xml``, or side by side; splits are the lists of ``ImageSets/Main``, or folders.
Corners are pixels counted from 1 and included (VOC 2012 development kit): ``xmin`` 1 and ``xmax`` 10 are the left ten
columns. ``difficult`` objects need not be found. Classes are numbered in the order of ``classes.txt`` or
``labels.txt`` if there is one, else of their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundBoxes
from vedette_torch.data.layout import (
    LARGEST_LABEL,
    existing_folder,
    files_below,
    is_picture,
    read_bytes,
    read_text,
    split_named,
    split_of,
)
from vedette_torch.data.samples import Problem
from vedette_torch.data.xml_tree import parse_xml


@dataclass(frozen=True)
class _Annotation:
    names: tuple[str, ...]
    boxes: tuple[tuple[float, ...], ...]
    difficult: tuple[bool, ...]
    size_wh: tuple[int, int] | None


def find_voc(root: Path) -> Found[FoundBoxes]:
    """Find the pictures of a folder and their boxes.

    ``missing_label``, ``label_without_image`` and ``bad_label`` are left out.

    Raises
    ------
    DataError
        There is no annotation, or a list of names or of a split cannot be read.
    """
    files = list(files_below(existing_folder(root)))
    pictures = {_key(path, root): path for path in files if is_picture(path)}
    xmls = {_key(path, root): path for path in files if path.suffix.lower() == ".xml"}
    if not xmls:
        raise DataError(f"{root} holds no .xml files")
    problems: list[Problem] = []
    read: dict[tuple[str, ...], _Annotation] = {}
    for key, path in xmls.items():
        if key not in pictures:
            message = "there is no picture for this annotation"
            problems.append(Problem(path=path, kind="label_without_image", message=message))
            continue
        try:
            read[key] = _annotation(parse_xml(read_bytes(path, LARGEST_LABEL)))
        except ValueError as error:
            problems.append(Problem(path=path, kind="bad_label", message=str(error)))
    problems += [
        Problem(path=path, kind="missing_label", message="there is no annotation for this picture")
        for key, path in pictures.items()
        if key not in xmls
    ]
    labels = _listed_names(root) or tuple(sorted({name for found in read.values() for name in found.names}))
    lists = dict(_lists(root))
    number = {name: class_id for class_id, name in enumerate(labels)}
    entries = [
        _entry(pictures[key], xmls[key], found, number, lists.get(key[-1]) or split_of(key[:-1]))
        for key, found in sorted(read.items())
    ]
    return Found(entries=entries, labels=labels, problems=problems)


def _key(path: Path, root: Path) -> tuple[str, ...]:
    """The same for a picture and its annotation."""
    parts = path.relative_to(root).with_suffix("").parts
    return tuple(part for part in parts if part.lower() not in ("jpegimages", "images", "annotations"))


def _entry(picture: Path, xml: Path, found: _Annotation, number: dict[str, int], split: str) -> FoundBoxes:
    return FoundBoxes(
        path=picture,
        source=xml,
        xyxy=np.array(found.boxes, np.float64).reshape(-1, 4),
        class_id=np.array([number.get(name, -1) for name in found.names], np.int64),
        where=[f"object {at} ({name})" for at, name in enumerate(found.names, 1)],
        split=split,
        stated_wh=found.size_wh,
        ignore=np.array(found.difficult, bool) if any(found.difficult) else None,
    )


def _annotation(tree: Element) -> _Annotation:
    objects = tree.findall("object")
    size = [int(_number(tree, f"size/{side}", 0.0)) for side in ("width", "height")]
    return _Annotation(
        names=tuple((item.findtext("name") or "").strip() for item in objects),
        boxes=tuple(_box(item, at) for at, item in enumerate(objects, 1)),
        difficult=tuple((item.findtext("difficult") or "").strip() == "1" for item in objects),
        size_wh=(size[0], size[1]) if all(size) else None,  # some tools write 0
    )


def _box(item: Element, at: int) -> tuple[float, ...]:
    try:
        x0, y0, x1, y1 = (_number(item, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise ValueError(f"object {at}: {error}") from None
    return x0 - 1, y0 - 1, x1, y1


def _number(element: Element, path: str, default: float | None = None) -> float:
    text = element.findtext(path)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        raise ValueError(f"{path} is {text!r}, not a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{path} is {text!r}, not a finite number")
    return value


def _listed_names(root: Path) -> tuple[str, ...]:
    for name in ("classes.txt", "labels.txt"):
        if (root / name).is_file():
            return tuple(line.strip() for line in _lines(root / name))
    return ()


def _lists(root: Path) -> Iterator[tuple[str, str]]:
    """The split of each picture by the lists, by its stem."""
    for path in sorted(root.rglob("ImageSets/Main/*.txt")):
        split = split_named(path.stem)
        if split is not None:
            yield from ((line.split()[0], split) for line in _lines(path))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in read_text(path).splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
