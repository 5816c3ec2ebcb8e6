"""The format ``folders``: a folder for each class, below a folder for each split or not.

``root/CLASS/*.jpg`` or ``root/{train,val,test}/CLASS/*.jpg``; pictures may lie deeper below their class. Classes are
numbered in the order of their names, over all splits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundClip, FoundImage
from vedette_torch.data.layout import WHOLE, existing_folder, files_below, is_picture, split_named
from vedette_torch.data.samples import Problem


def find_folders(root: Path) -> Found[FoundImage]:
    """Find the pictures of a folder and their classes.

    Problems are ``empty_class`` (also: a class that only another split has), and ``not_a_picture`` for other files of
    a class.

    Raises
    ------
    DataError
        There are no classes, or folders of splits and of classes lie side by side.
    """
    return classes_of_folders(root, FoundImage, is_picture, "picture")


EntryT = TypeVar("EntryT", FoundImage, FoundClip)


def classes_of_folders(
    root: Path, entry: type[EntryT], belongs: Callable[[Path], bool], noun: str
) -> Found[EntryT]:
    """:func:`find_folders` for any kind of file: ``belongs`` tells it from strays, problems ``not_a_NOUN``."""
    splits = {split: _folders(folder) for split, folder in _splits(existing_folder(root))}
    names = sorted({folder.name for classes in splits.values() for folder in classes})
    if not names:
        raise DataError(
            f"{root} holds no folders of classes",
            fix=f"put the {noun}s of each class in a folder of its name",
        )
    entries: list[EntryT] = []
    problems: list[Problem] = []
    for split, classes in splits.items():
        by_name = {folder.name: folder for folder in classes}
        for class_id, name in enumerate(names):
            files = list(files_below(by_name[name])) if name in by_name else []
            wanted = [path for path in files if belongs(path)]
            entries += [entry(path=path, class_id=class_id, split=split) for path in wanted]
            problems += [_stray(path, noun) for path in files if not belongs(path)]
            if not wanted:
                problems.append(empty_class(by_name.get(name), root, split, name, noun))
    return Found(entries=entries, labels=tuple(names), problems=problems)


def _splits(root: Path) -> Iterator[tuple[str, Path]]:
    folders = _folders(root)
    named = {folder: split for folder in folders if (split := split_named(folder.name))}
    if not named:
        yield WHOLE, root
        return
    if rest := [folder.name for folder in folders if folder not in named]:
        raise DataError(
            f"{root}: folders of splits and others lie side by side: {', '.join(rest[:5])}",
            fix="move the classes into train, val and test, or give one split's folder",
        )
    if len(set(named.values())) < len(named):
        raise DataError(f"{root}: two folders are the same split: {', '.join(path.name for path in named)}")
    yield from ((split, folder) for folder, split in named.items())


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _stray(path: Path, noun: str) -> Problem:
    message = f"this file in a class's folder is not a {noun}"
    return Problem(path=path, kind=f"not_a_{noun}", message=message)


def empty_class(folder: Path | None, root: Path, split: str, name: str, noun: str) -> Problem:
    """A class of which a split has nothing."""
    where = root if split == WHOLE else root / split
    message = f"the class {name!r} has no {noun}" + ("" if split == WHOLE else f" in {split}")
    return Problem(path=folder or where / name, kind="empty_class", message=message)
