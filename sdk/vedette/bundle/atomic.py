"""Files that are there in whole or not at all, whatever happens to this process or to the power."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def create_file(path: Path, data: bytes) -> None:
    """Write a new file.

    Raises
    ------
    FileExistsError
        There is one already; it is left as it is.
    """
    with _written_beside(path, data) as part:
        os.link(part, path)
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, in place of the one that is there."""
    with _written_beside(path, data) as part:
        part.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have the names in a folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)
