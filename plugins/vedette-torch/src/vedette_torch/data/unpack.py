"""Zip files of strangers, unpacked so that nothing is written outside the folder and no file fills the disk."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from vedette_torch.data.errors import DataError

MOST_TIMES = 100
"""An archive may unpack to so many times its size, and :data:`MOST_BESIDE` bytes: pictures hardly shrink."""
MOST_BESIDE = 1 << 30
MOST_FILES = 5_000_000


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip file to ``folder``, which must not exist or be empty, and appears complete or not at all.

    Returns the folder that holds the data: where all lies in one folder of the archive, that one.

    Raises
    ------
    DataError
        It is not a zip file or is damaged; a name in it is absolute, leads out of the folder or is there twice;
        something in it is encrypted or is a link or device; it is larger unpacked than :data:`MOST_TIMES` allows; or
        ``folder`` is not empty or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} is not an empty folder", fix=f"read what is there, or unpack {archive} elsewhere"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary,
            zipfile.ZipFile(archive) as opened,
        ):
            inside = Path(temporary) / "data"
            inside.mkdir()
            files = _checked(archive, opened)
            for name, info in files.items():
                path = inside.joinpath(*name.parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, path.open("xb") as target:
                    shutil.copyfileobj(source, target)
            inside.replace(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{archive} is not a zip file that can be read: {error}", fix="copy or fetch it again"
        ) from None
    except OSError as error:
        raise DataError(
            f"{archive} cannot be unpacked to {folder}: {error.strerror}: {error.filename}"
        ) from error
    tops = {name.parts[0] for name in files if len(name.parts) > 1} | {
        "" for name in files if len(name.parts) == 1
    }
    return folder / tops.pop() if len(tops) == 1 else folder


def _checked(archive: Path, opened: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files by name, after everything was looked at that can be before anything is written."""
    files: dict[PurePosixPath, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MOST_FILES:
        raise DataError(f"{archive} holds more than {MOST_FILES} files")
    for info in infos:
        name = PurePosixPath(info.filename)
        if problem := _problem(info, name) or ("it is there twice" if name in files else ""):
            raise DataError(f"{archive}: {info.filename!r} is refused: {problem}")
        if not info.is_dir():
            files[name] = info
    size, most = (
        sum(info.file_size for info in files.values()),
        MOST_TIMES * archive.stat().st_size + MOST_BESIDE,
    )
    if size > most:
        raise DataError(
            f"{archive} would unpack to {size >> 20} MiB, more than a set of pictures of its size"
        )
    return files


def _problem(info: zipfile.ZipInfo, name: PurePosixPath) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or not name.parts:
        return "its name leads out of the folder"
    if any(sign in info.filename for sign in "\\:\0"):
        return "its name has a sign that is not portable"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device"
    return "it is encrypted" if info.flag_bits & 1 else ""
