"""The bytes of a bundle, wherever they are: a folder or a canonical archive, through one small interface.

Opening one checks names and kinds of files, nothing more. What the bytes mean is for :mod:`vedette.bundle.bundle`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from vedette.bundle.canonical import CHUNK, ZipArchive
from vedette.bundle.names import MANIFEST, MAX_FILES, name_problem, names_problem
from vedette.errors import BundleError


class Archive(Protocol):
    """Files by name. Thread-safe."""

    @property
    def path(self) -> Path:
        """Where the bundle lies."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size in bytes of every file, the manifest included."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file in pieces of bounded size."""
        ...

    def place(self, name: str) -> Path | None:
        """The path of the file, where it is one of its own."""
        ...

    def close(self) -> None:
        """Closing twice is fine."""
        ...


def open_archive(path: Path) -> Archive:
    """Open a folder or a canonical zip file.

    Raises
    ------
    BundleError
        There is nothing, it is neither, or its names or kinds of files are not allowed.
    """
    try:
        real = path.resolve(strict=True)  # what a link is switched to later does not concern an open bundle
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            return FolderArchive(real)
        if stat.S_ISREG(mode):
            return ZipArchive(real)
    except FileNotFoundError:
        raise BundleError(
            f"{path}: there is no such bundle",
            fix="give the path of a folder or .vedette file, or the name of an installed model",
        ) from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a NUL in the path
        raise BundleError(f"{path}: cannot be read: {error}") from None
    raise BundleError(f"{path}: neither a folder nor a file")


class FolderArchive:
    """A folder. Symbolic links, devices, pipes and sockets are refused.

    Raises
    ------
    BundleError
        A file of a kind or name that is not allowed, or no manifest.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.sizes: Final[Mapping[str, int]] = _list_folder(path)

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file, piece by piece; an error at its end if its size has changed."""
        left = self.sizes[name]
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                while chunk := file.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise BundleError(f"{self.path}: {name!r} cannot be read: {error.strerror}") from None
        if left:
            raise BundleError(f"{self.path}: the size of {name!r} changed since the bundle was opened")

    def place(self, name: str) -> Path | None:
        """The file itself."""
        return self.path / name

    def close(self) -> None:
        """Nothing is held."""


def _list_folder(root: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    folders, found = [""], 0
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                found += 1
                if found > MAX_FILES:
                    raise BundleError(
                        f"{root}: not a bundle: it holds more than {MAX_FILES} files and folders"
                    )
                name = f"{folder}{entry.name}"
                info = entry.stat(follow_symlinks=False)
                problem = _kind_problem(name, info.st_mode) or name_problem(name)
                if problem:
                    raise BundleError(
                        f"{root}: not a bundle: {problem}", fix="a bundle holds what its manifest lists"
                    )
                if stat.S_ISDIR(info.st_mode):
                    folders.append(f"{name}/")
                else:
                    sizes[name] = info.st_size
    problem = names_problem(sizes)
    if problem:
        raise BundleError(f"{root}: not a bundle: {problem}")
    if MANIFEST not in sizes:
        raise BundleError(f"{root}: not a bundle: there is no {MANIFEST} in it")
    return sizes


def _kind_problem(name: str, mode: int) -> str | None:
    if stat.S_ISLNK(mode):
        return f"{name!r} is a symbolic link"
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return f"{name!r} is not a regular file"
    return None
