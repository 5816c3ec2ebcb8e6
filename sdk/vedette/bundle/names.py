"""Names of the files of a bundle: relative POSIX paths in a portable alphabet.

The alphabet leaves nothing that could climb out of a folder, or that two systems could read differently: no ``..``,
no root, no backslash, no drive, no control or non-ASCII character.
"""

from __future__ import annotations

import re
from collections.abc import Collection

MANIFEST = "manifest.json"
"""The one file that is not listed in the manifest."""

MAX_FILES = 4096
MAX_NAME = 200

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")


def name_problem(name: str) -> str | None:
    """What is wrong with ``name``, or ``None``."""
    if len(name) > MAX_NAME:
        return f"{name[:40]!r}... is longer than {MAX_NAME} characters"
    if name.startswith("/"):
        return f"{name!r} is an absolute path"
    if ".." in name.split("/"):
        return f"{name!r} climbs out of the bundle"
    if not _NAME.fullmatch(name):
        return f"{name!r} is not a portable file name (letters, digits, '_', '.', '+', '-', and '/' between them)"
    return None


def names_problem(names: Collection[str]) -> str | None:
    """What is wrong with ``names`` as the files of one bundle, or ``None``.

    Besides each name by itself: their number, repeated names, names that differ only in case, and a name that is both
    a file and a folder.
    """
    if len(names) > MAX_FILES:
        return f"it has {len(names)} files, more than {MAX_FILES}"
    seen: dict[str, str] = {}
    for name in names:
        problem = name_problem(name)
        if problem:
            return problem
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            same = "is there twice" if other == name else f"and {other!r} differ only in case"
            return f"{name!r} {same}"
    for name in names:
        parts = name.lower().split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in seen:
                return f"{seen[folder]!r} is a file and also the folder of {name!r}"
    return None
