"""Names of the files of a bundle: relative POSIX paths in a portable alphabet.

Nothing is left that could climb out of a folder, or that two systems could read differently: no ``..``, no root, no
backslash, no drive, no control or non-ASCII character, no dot at an end, and no name that is a device on Windows.
"""

from __future__ import annotations

import re
from collections.abc import Collection

MANIFEST = "manifest.json"
SIGNATURE = "signature"
"""The two files that are not listed in the manifest."""

MAX_FILES = 4096
MAX_NAME = 200

_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.+-]*[A-Za-z0-9_+-])?")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def name_problem(name: str) -> str | None:
    """What is wrong with ``name``, or ``None``."""
    if len(name) > MAX_NAME:
        return f"{name[:40]!r}... is longer than {MAX_NAME} characters"
    if name.startswith("/"):
        return f"{name!r} is an absolute path"
    parts = name.split("/")
    if ".." in parts:
        return f"{name!r} climbs out of the bundle"
    if not all(map(_PART.fullmatch, parts)):
        return f"{name!r} is not a portable file name (letters, digits, '_', '.', '+', '-', and '/' between them)"
    if any(map(_DEVICE.fullmatch, parts)):
        return f"{name!r} is the name of a device on Windows"
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
        key = name.lower()
        if key in seen:
            same = "is there twice" if seen[key] == name else f"and {seen[key]!r} differ only in case"
            return f"{name!r} {same}"
        seen[key] = name
    for name in names:
        parts = name.lower().split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in seen:
                return f"{seen[folder]!r} is a file and also the folder of {name!r}"
    return None
