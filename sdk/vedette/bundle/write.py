"""Write a bundle: all of it or nothing."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from vedette.bundle.bundle import open_bundle
from vedette.bundle.canonical import file_chunks, write_archive
from vedette.bundle.manifest import File, Manifest
from vedette.bundle.names import MANIFEST, names_problem
from vedette.errors import BundleError

SUFFIX = ".vedette"
"""Suffix of the zip form."""

Content = bytes | Path
"""What a file of the bundle holds: the bytes, or the path of a file to copy."""


def write_bundle(
    path: str | Path, manifest: Manifest, contents: Mapping[str, Content], *, overwrite: bool = False
) -> Path:
    """Write ``contents`` with their manifest: a zip file if ``path`` ends in ``.vedette``, else a folder.

    Everything is written beside ``path`` and then renamed, so that nobody sees half a bundle. The same manifest and
    contents give the same bytes.

    Parameters
    ----------
    manifest
        All but ``files``, which is made here from ``contents`` (hash and size).
    contents
        The files by their name in the bundle.
    overwrite
        Replace what is there. A folder is replaced only if it is a bundle with nothing else in it.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    BundleError
        The manifest is wrong, a file cannot be read, or ``path`` is taken.
    """
    path = Path(path)
    check_target(path, overwrite)
    problem = names_problem([MANIFEST, *contents])
    if problem:
        raise BundleError(f"{path}: {problem}")
    beside = f".{path.name}.{secrets.token_hex(4)}"
    stage, archive = path.with_name(f"{beside}.stage"), path.with_name(f"{beside}.zip")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
        files = {name: _store(stage / name, content) for name, content in sorted(contents.items())}
        _store(stage / MANIFEST, _encode(msgspec.structs.replace(manifest, files=files)))
        open_bundle(stage).close()
        if path.suffix == SUFFIX:
            write_archive(archive, {name: partial(file_chunks, stage / name) for name in (MANIFEST, *files)})
            archive.replace(path)
        else:
            _put_folder(stage, path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error}") from error
    except BundleError as error:
        raise BundleError(
            f"not written: {error.message.replace(str(stage), str(path))}", fix=error.fix
        ) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        archive.unlink(missing_ok=True)
    return path


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse to write where something is that must not be replaced.

    Raises
    ------
    BundleError
        ``path`` is taken and ``overwrite`` is not set, or what is there is no bundle.
    """
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise BundleError(f"{path}: exists", fix="choose another name, or allow it to be overwritten")
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise BundleError(f"{path}: not a file, so it is not replaced by one", fix="choose another name")
        return
    try:
        open_bundle(path).close()
    except BundleError as error:
        raise BundleError(
            f"{path}: not replaced, because it is not a bundle alone: {error.message}"
        ) from None
    if path.is_symlink() or not path.is_dir():
        raise BundleError(f"{path}: not a folder, so it is not replaced by one", fix="choose another name")


def _encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _store(target: Path, content: Content) -> File:
    target.parent.mkdir(parents=True, exist_ok=True)
    hasher, size = hashlib.sha256(), 0
    with target.open("xb") as out:
        for chunk in (content,) if isinstance(content, bytes) else file_chunks(content):
            hasher.update(chunk)
            size += out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return File(sha256=hasher.hexdigest(), size=size)


def _put_folder(stage: Path, path: Path) -> None:
    if not path.exists():
        stage.rename(path)
        return
    old = path.with_name(f"{stage.name}.old")
    path.rename(old)
    try:
        stage.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old)
