"""What the header of a still image says, read without decoding it.

Sources: JPEG ITU-T T.81 B.2, PNG (W3C, third edition) 5.2 and 11.2, BMP BITMAPINFOHEADER, WebP RFC 9649, TIFF 6.0,
netpbm, EXIF (CIPA DC-008) for the orientation.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from vedette.frame import Orientation

_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_TIFF = (b"II*\0", b"MM\0*")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TURNS: dict[int, tuple[Orientation, bool]] = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (90, False),
    7: (90, True),
    8: (270, False),
}
"""EXIF orientation: clockwise degrees to turn it upright, and whether it has to be mirrored left to right before."""


@dataclass(frozen=True)
class Still:
    """A header. ``fourcc`` is one of :data:`FOURCCS`; ``size_wh`` as stored; ``orientation`` and ``mirrored`` as EXIF
    tells: mirror left to right, then turn clockwise."""

    fourcc: str
    size_wh: tuple[int, int]
    orientation: Orientation = 0
    mirrored: bool = False


def read_still(data: bytes) -> Still | None:
    """The header of an image file; ``None`` if it is of no known coding or broken."""
    try:
        for magic, (fourcc, read) in _READERS.items():
            if re.match(magic, data, re.DOTALL):
                width, height, exif = read(data)
                turn, mirrored = _TURNS.get(exif, _TURNS[1])
                return Still(fourcc, (width, height), turn, mirrored) if width > 0 < height else None
    except (struct.error, IndexError, ValueError):
        pass  # the header ends too early
    return None


def _jpeg(data: bytes) -> tuple[int, int, int]:
    at, exif = 2, 1
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if data[at] != 0xFF:
            raise ValueError
        marker = data[at + 1]
        length = _number(data, at + 2, ">H")
        body = at + 4
        if marker in _JPEG_FRAMES:
            return _number(data, body + 3, ">H"), _number(data, body + 1, ">H"), exif
        if marker == 0xE1 and data.startswith(_EXIF, body):
            exif = _orientation(data[body + len(_EXIF) : at + 2 + length])
        if marker == 0xDA or length < 2:
            raise ValueError
        at += 2 + length


def _png(data: bytes) -> tuple[int, int, int]:
    at, exif = len(_PNG), 1
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            exif = _orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    width, height = struct.unpack_from(">II", data, 16)
    return width, height, exif


def _webp(data: bytes) -> tuple[int, int, int]:
    at, exif = 12, 1
    size: tuple[int, int] | None = None
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = at + 8
        if size is None:
            size = _webp_size(kind, data, body)
        if kind == b"EXIF":
            exif = _orientation(data[body : body + length].removeprefix(_EXIF))
        at = body + length + length % 2
    if size is None:
        raise ValueError
    return (*size, exif)


def _webp_size(kind: bytes, data: bytes, body: int) -> tuple[int, int]:
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[body + at : body + at + 3], "little") + 1 for at in (4, 7))
    elif kind == b"VP8L":
        bits = _number(data, body + 1, "<I")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = _number(data, body + 6, "<H") & 0x3FFF, _number(data, body + 8, "<H") & 0x3FFF
    else:
        raise ValueError
    return width, height


def _bmp(data: bytes) -> tuple[int, int, int]:
    if _number(data, 14, "<I") == 12:  # OS/2
        return _number(data, 18, "<H"), _number(data, 20, "<H"), 1
    return _number(data, 18, "<i"), abs(_number(data, 22, "<i")), 1  # negative: rows from top to bottom


def _netpbm(data: bytes) -> tuple[int, int, int]:
    plain = re.sub(rb"#[^\n]*", b"", data[:4096])
    size = re.match(rb"P[1-6]\s+(\d+)\s+(\d+)\s", plain)
    if size is None:
        raise ValueError
    return int(size[1]), int(size[2]), 1


def _tiff(data: bytes) -> tuple[int, int, int]:
    tags = _tiff_tags(data)
    return tags.get(256, 0), tags.get(257, 0), tags.get(274, 1)


def _orientation(exif: bytes) -> int:
    """EXIF is a little TIFF file. A broken one says nothing."""
    try:
        return _tiff_tags(exif).get(274, 1)
    except (struct.error, ValueError):
        return 1


def _tiff_tags(data: bytes) -> dict[int, int]:
    """The first value of each SHORT or LONG tag of the first directory."""
    if data[:4] not in _TIFF:
        raise ValueError
    order = "<" if data[:1] == b"I" else ">"
    directory = _number(data, 4, order + "I")
    tags = {}
    for index in range(_number(data, directory, order + "H")):
        entry = directory + 2 + 12 * index
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if kind in (3, 4):
            tags[tag] = _number(data, entry + 8, order + ("H" if kind == 3 else "I"))
    return tags


def _number(data: bytes, at: int, format: str) -> int:
    number: int = struct.unpack_from(format, data, at)[0]
    return number


_READERS: dict[bytes, tuple[str, Callable[[bytes], tuple[int, int, int]]]] = {
    rb"\xff\xd8\xff": ("JPEG", _jpeg),
    re.escape(_PNG): ("PNG ", _png),
    rb"RIFF....WEBP": ("WEBP", _webp),
    rb"BM": ("BMP ", _bmp),
    rb"II\*\0|MM\0\*": ("TIFF", _tiff),
    rb"P[14]\s": ("PBM ", _netpbm),
    rb"P[25]\s": ("PGM ", _netpbm),
    rb"P[36]\s": ("PPM ", _netpbm),
}
FOURCCS: dict[str, str] = {
    "JPEG": "mjpeg",
    "PNG ": "png",
    "WEBP": "webp",
    "BMP ": "bmp",
    "TIFF": "tiff",
    "PBM ": "pbm",
    "PGM ": "pgm",
    "PPM ": "ppm",
}
"""The codings, and FFmpeg's name of the decoder of each."""
DAMAGED = "LOST"
"""The coding of a picture that was captured and that nobody can look at: its ``name`` says why."""
