"""The format ``coco``: one JSON file for many pictures, as COCO's ``instances_*.json`` (Lin et al. 2014).

The file lies in ``annotations/`` or at the root; there is one for each split, told by its name. Pictures are looked for
beside the file, at the root, and in folders of the file's split (``val2017``, ``images/val2017``, ``images``). Classes
are numbered in the order of the categories' ids. Boxes around crowds (``iscrowd``) are kept as such.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundBoxes
from vedette_torch.data.layout import WHOLE, existing_folder, files_below, is_picture, read_bytes, split_named
from vedette_torch.data.samples import Problem

LARGEST = 2 << 30
"""Bytes of a file of annotations; COCO's own largest has 448 MB."""


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int
    bbox: list[float] = []
    iscrowd: int = 0
    ignore: int = 0
    id: Any = None


class _Category(msgspec.Struct):
    id: int
    name: str


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def find_coco(root: Path) -> Found[FoundBoxes]:
    """Find the pictures of a folder and their boxes.

    Left out are ``label_without_image`` (a picture that is listed but not there, an annotation of one that is not
    listed), ``missing_label`` (a picture that is not listed) and ``bad_label`` (a box that is not of 4 numbers).

    Raises
    ------
    DataError
        There is no such JSON file, one is broken, or two name different categories.
    """
    jsons = json_files(existing_folder(root))
    if not jsons:
        raise DataError(f"{root} holds no JSON file with images, annotations and categories")
    read = {path: _read(path) for path in jsons}
    categories = {tuple(sorted((item.id, item.name) for item in file.categories)) for file in read.values()}
    if len(categories) > 1:
        raise DataError(
            f"{root}: the files name different categories: {', '.join(path.name for path in jsons)}"
        )
    ordered = categories.pop()
    number = {id_: class_id for class_id, (id_, _) in enumerate(ordered)}
    if len(number) < len(ordered):
        raise DataError(f"{jsons[0]}: two categories have the same id")
    entries: list[FoundBoxes] = []
    problems: list[Problem] = []
    for path, file in read.items():
        for item in _samples(path, file, number, root, alone=len(jsons) == 1):
            (entries if isinstance(item, FoundBoxes) else problems).append(item)  # type: ignore[arg-type]
    known = {entry.path for entry in entries} | {problem.path for problem in problems}
    problems += [
        Problem(path=path, kind="missing_label", message="no annotation file lists this picture")
        for path in files_below(root)
        if is_picture(path) and path not in known
    ]
    return Found(entries=entries, labels=tuple(name for _, name in ordered), problems=problems)


def json_files(root: Path) -> list[Path]:
    """The annotation files, by place and by what they begin with: other JSON files lie about, too."""
    patterns = ("*.json", "annotations/*.json", "*/_annotations.coco.json")
    candidates = sorted({path for pattern in patterns for path in root.glob(pattern)})
    instances = [path for path in candidates if path.name.startswith("instances")]
    return instances or [path for path in candidates if _looks_right(path)]


def _looks_right(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return bool(re.search(rb'"(images|annotations|categories|info|licenses)"\s*:', head))


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(read_bytes(path, LARGEST), type=_File)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: {error}", fix="it must be as COCO's instances_*.json") from None


def _samples(
    path: Path, file: _File, number: dict[int, int], root: Path, *, alone: bool
) -> Iterator[FoundBoxes | Problem]:
    of_image: dict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in file.annotations:
        of_image[annotation.image_id].append(annotation)
    split = _split(path, alone)
    places = _places(path, root)
    for image in file.images:
        boxes = of_image.pop(image.id, [])
        picture = _find(image.file_name, places)
        if picture is None:
            yield Problem(
                path=path, kind="label_without_image", message=f"there is no picture {image.file_name!r}"
            )
            continue
        if bad := next((item for item in boxes if len(item.bbox) != 4), None):
            yield Problem(path=picture, kind="bad_label", message=f"annotation {bad.id}: a box has 4 numbers")
            continue
        yield _entry(picture, image, boxes, number, split)
    for id_, left in of_image.items():
        message = f"{len(left)} annotations are of image {id_}, which is not listed"
        yield Problem(path=path, kind="label_without_image", message=message)


def _entry(
    picture: Path, image: _Image, annotations: Sequence[_Annotation], number: dict[int, int], split: str
) -> FoundBoxes:
    xywh = np.array([item.bbox for item in annotations], np.float64).reshape(-1, 4)
    crowd = np.array([item.iscrowd == 1 for item in annotations], bool)
    ignore = np.array([item.ignore == 1 for item in annotations], bool)
    return FoundBoxes(
        path=picture,
        source=picture,
        xyxy=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
        class_id=np.array([number.get(item.category_id, -1) for item in annotations], np.int64),
        where=[f"annotation {item.id}" for item in annotations],
        split=split,
        stated_wh=(image.width, image.height) if image.width and image.height else None,
        ignore=ignore if ignore.any() else None,
        crowd=crowd if crowd.any() else None,
    )


def _split(path: Path, alone: bool) -> str:
    words = [*path.stem.split("_"), path.parent.name]
    return next((split for word in words if (split := split_named(word))), WHOLE if alone else path.stem)


def _places(path: Path, root: Path) -> list[Path]:
    word = path.stem.removeprefix("instances_")
    named = [root / word, root / "images" / word]
    return [folder for folder in (path.parent, *named, root / "images", root) if folder.is_dir()]


def _find(name: str, places: Sequence[Path]) -> Path | None:
    """The picture of this name below one of the folders; names that lead out of them are not followed."""
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts:
        return None
    return next((path for folder in places if (path := folder / relative).is_file()), None)
