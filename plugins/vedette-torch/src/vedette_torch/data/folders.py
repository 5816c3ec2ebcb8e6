"""The format ``folders``: a folder for each class, below a folder for each split or not.

``root/CLASS/*.jpg`` or ``root/{train,val,test}/CLASS/*.jpg``; pictures may lie deeper below their class. Classes are
numbered in the order of their names, over all splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vedette_torch.data.errors import DataError
from vedette_torch.data.found import Found, FoundImage
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
    splits = {split: _folders(folder) for split, folder in _splits(existing_folder(root))}
    names = sorted({folder.name for classes in splits.values() for folder in classes})
    if not names:
        raise DataError(
            f"{root} holds no folders of classes",
            fix="put the pictures of each class in a folder of its name",
        )
    entries: list[FoundImage] = []
    problems: list[Problem] = []
    for split, classes in splits.items():
        by_name = {folder.name: folder for folder in classes}
        for class_id, name in enumerate(names):
            files = list(files_below(by_name[name])) if name in by_name else []
            pictures = [path for path in files if is_picture(path)]
            entries += [FoundImage(path=path, class_id=class_id, split=split) for path in pictures]
            problems += [_stray(path) for path in files if not is_picture(path)]
            if not pictures:
                problems.append(_empty(by_name.get(name), root, split, name))
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


def _stray(path: Path) -> Problem:
    return Problem(path=path, kind="not_a_picture", message="this file in a class's folder is not a picture")


def _empty(folder: Path | None, root: Path, split: str, name: str) -> Problem:
    where = root if split == WHOLE else root / split
    message = f"the class {name!r} has no picture" + ("" if split == WHOLE else f" in {split}")
    return Problem(path=folder or where / name, kind="empty_class", message=message)
