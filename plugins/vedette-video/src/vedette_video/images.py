"""The source ``images``: a picture, a folder of pictures, or those that match a pattern."""

from __future__ import annotations

import glob
import logging
import re
import time
from pathlib import Path

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Encoded
from vedette.specs import Capture, SourceInfo
from vedette_video.locate import IMAGE_SUFFIXES, VIDEO_SUFFIXES, is_glob, local_path
from vedette_video.params import ImagesParams
from vedette_video.still import Still, read_still

logger = logging.getLogger("vedette.video")

UNREADABLE = Still("JPEG", (1, 1))
"""Stands for a file without a header that can be read: an image of one pixel that nothing will decode."""


class Images:
    """Reads picture files in their natural order (``2.jpg`` before ``10.jpg``).

    They are delivered as they are, compressed, to be decoded when somebody asks for the pixels: a damaged picture is
    the error of its frame, not of the stream. Pictures have no media time unless ``rate_hz`` gives them one;
    ``mono_ns`` and ``wall_ns`` are the time of reading. The orientation is EXIF's.
    """

    def __init__(self, paths: list[Path], params: ImagesParams) -> None:
        self._paths = paths
        self._params = params
        self._epoch = self._seq = 0
        self._closed = False
        self.info = SourceInfo(live=False, rate_hz=params.rate_hz, frames=None if params.loop else len(paths))

    def read(self, timeout_s: float) -> Capture:
        """The next picture. A file never keeps waiting: ``timeout_s`` is not needed."""
        if self._closed:
            raise SourceError("this source of images is closed")
        if self._seq == len(self._paths):
            if not self._params.loop:
                raise EndOfStream
            self._epoch, self._seq = self._epoch + 1, 0
        seq, path = self._seq, self._paths[self._seq]
        self._seq += 1
        data = _read(path)
        still = read_still(data) or UNREADABLE
        rate = self._params.rate_hz
        return Capture(
            image=Encoded(still.fourcc, data, still.size_wh, str(path)),
            clock=Clock(
                mono_ns=time.monotonic_ns(),
                wall_ns=time.time_ns(),
                media_ns=round(seq * 1e9 / rate) if rate else None,
                origin="pts" if rate else "arrival",
            ),
            seq=seq,
            epoch=self._epoch,
            orientation=still.orientation,
        )

    def close(self) -> None:
        self._closed = True


def open_images(uri: str, params: ImagesParams) -> Images:
    """Open what ``uri`` names.

    Raises
    ------
    SourceError
        There is no picture.
    """
    return Images(find_images(local_path(uri) or uri), params)


def find_images(path: str) -> list[Path]:
    """The picture files of a file, a folder (not those below it) or a pattern, in natural order.

    Raises
    ------
    SourceError
        There is none.
    """
    if Path(path).is_file():
        return [Path(path)]
    if Path(path).is_dir():
        found = [entry for entry in Path(path).iterdir() if entry.is_file()]
    elif is_glob(path):
        names = glob.glob(path, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [entry for name in names if (entry := Path(name)).is_file()]
    else:
        raise SourceError(
            f"there is no file or folder {path}", fix="check the path; it is relative to the working folder"
        )
    pictures = [entry for entry in found if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise _no_pictures(path, found)
    if len(pictures) < len(found):
        logger.info("%s: %d files that are no pictures are left out", path, len(found) - len(pictures))
    return sorted(pictures, key=_natural)


def _no_pictures(path: str, found: list[Path]) -> SourceError:
    videos = sum(entry.suffix.lower() in VIDEO_SUFFIXES for entry in found)
    if videos:
        return SourceError(
            f"{path} holds no pictures, but {videos} videos",
            fix="list them in a playlist: a text file that ends in .m3u",
        )
    kinds = " ".join(sorted(IMAGE_SUFFIXES))
    return SourceError(f"{path}: no pictures are there", fix=f"pictures are files that end in {kinds}")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts digits by their value. The pairs keep numbers and text apart."""
    return [
        (int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", str(path))
    ]


def _read(path: Path) -> bytes:
    """The content; nothing where it cannot be read, so that only this frame fails."""
    try:
        return path.read_bytes()
    except OSError as error:
        logger.warning("cannot read %s: %s", path, error.strerror)
        return b""
