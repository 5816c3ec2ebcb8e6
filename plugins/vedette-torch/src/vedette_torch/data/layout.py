"""What folders of data look like: which files are pictures, and which folder names are splits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vedette_torch.data.errors import DataError
from vedette_video.locate import VIDEO_SUFFIXES

PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm"}
)
WHOLE = "all"
"""The name of the one split of data that is not split."""
LARGEST_LABEL = 16 << 20
"""Bytes of a label file of one picture; a larger one is not one."""

_SPLIT = re.compile(r"(train|val|valid|validation|test)[-_]?\d*", re.IGNORECASE)


def split_named(name: str) -> str | None:
    """``train``, ``val`` or ``test`` if a folder's or a list's name says so.

    >>> split_named("train2017"), split_named("valid"), split_named("trains")
    ('train', 'val', None)
    """
    match = _SPLIT.fullmatch(name)
    if match is None:
        return None
    word = match[1].lower()
    return "val" if word.startswith("val") else word


def split_of(parts: tuple[str, ...]) -> str:
    """The split that the folders of a path say, the outermost first; :data:`WHOLE` if none does."""
    return next((split for part in parts if (split := split_named(part))), WHOLE)


def files_below(folder: Path) -> Iterator[Path]:
    """All files, in the order of their paths, without hidden ones and what systems leave behind (``Thumbs.db``)."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        yield from (Path(here, name) for name in sorted(names) if not _hidden(name))


def is_picture(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() in PICTURES


def is_clip(path: Path) -> bool:
    """Whether it is a video, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def existing_folder(root: Path) -> Path:
    """``root``.

    Raises
    ------
    DataError
        It is not a folder.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}", fix="give the folder that holds the data, or a .zip file of it")
    return root


def read_text(path: Path, most: int = LARGEST_LABEL) -> str:
    """The text of a label file.

    Raises
    ------
    ValueError
        It cannot be read, is larger than ``most`` bytes or is not UTF-8; the message does not name the file.
    """
    return read_bytes(path, most).decode("utf-8-sig")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file of at most ``most`` bytes. Raises as :func:`read_text`."""
    try:
        if path.stat().st_size > most:
            raise ValueError(f"it is larger than {most >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("Thumbs.db", "desktop.ini", "__MACOSX")
