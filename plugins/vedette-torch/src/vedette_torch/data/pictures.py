"""Pictures of data sets, decoded by the plugins that decode them on a box.

That is on purpose: what is refused here would be refused there, and a network is trained and measured on the very
pixels that it will be served. The decoder refuses a picture that is cut off or damaged anywhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vedette.errors import SourceError
from vedette.frame import Clock, Decode, Encoded, Frame
from vedette_torch.data.layout import is_clip
from vedette_torch.data.samples import Problem
from vedette_video.still import read_still

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

MOST_PIXELS = 1 << 28
"""No picture is larger: a file of a few bytes can claim any size."""
_AHEAD = 256


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture that could be decoded: its upright size, and the hash of its file."""

    size_wh: tuple[int, int]
    digest: bytes


def read_frame(path: Path, decode: Decode) -> Frame:
    """A picture as a frame, upright as its EXIF data says; decoded when somebody asks for pixels.

    ``frame.view("rgb")`` is ``(h, w, 3) uint8``. ``decode`` is :func:`vedette.decoding.image_decoder`.

    Raises
    ------
    SourceError
        The file cannot be read, is no picture, or has more than :data:`MOST_PIXELS`.
    """
    return _frame(path, _read(path), decode)


def look_at(
    paths: Sequence[Path], decode: Decode, progress: Progress | None = None
) -> Iterator[tuple[Path, Looked | Problem]]:
    """Decode every picture whole, on all processors; in the order of ``paths``.

    A problem is of the kind ``corrupt``.
    """
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        for done, (path, looked) in enumerate(
            zip(paths, pool.map(partial(_look, decode), paths), strict=True), 1
        ):
            if progress and (done % _AHEAD == 0 or done == len(paths)):
                progress(done, len(paths))
            yield path, looked


def _look(decode: Decode, path: Path) -> Looked | Problem:
    if is_clip(path):
        from vedette_torch.data.footage import look_at_clip  # FFmpeg, which pictures do not need

        return look_at_clip(path)
    try:
        data = _read(path)
        frame = _frame(path, data, decode)
        frame.pixels()
    except SourceError as error:
        return Problem(path=path, kind="corrupt", message=error.message.removeprefix(f"{path}").lstrip(": "))
    return Looked(frame.size_wh, hashlib.blake2b(data, digest_size=16).digest())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None


def _frame(path: Path, data: bytes, decode: Decode) -> Frame:
    header = read_still(data)
    if header is None:
        what = "is empty" if not data else "has no header of a picture that can be read"
        raise SourceError(f"{path} {what}", fix="copy it again, or convert it to PNG")
    width, height = header.size_wh
    if width * height > MOST_PIXELS:
        raise SourceError(f"{path} claims to have {width}x{height} pixels, more than can be read")
    size_wh = (height, width) if header.orientation in (90, 270) else (width, height)
    return Frame(
        stream=str(path),
        epoch=0,
        ticket=0,
        seq=0,
        size_wh=size_wh,
        clock=Clock(mono_ns=0, wall_ns=0),
        image=Encoded(header.fourcc, data, header.size_wh, str(path)),
        orientation=header.orientation,
        decode=decode,
    )
