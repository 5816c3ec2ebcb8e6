"""Whether a video file is all there, by the sizes that its container states.

A copy that was cut short often still plays to its new end without any complaint from FFmpeg. The sizes stated at the
top level of MP4/QuickTime (ISO/IEC 14496-12), RIFF/AVI and Matroska/WebM (RFC 9559) show it.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks; 0 if none, or if its container does not say."""
    present = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF":
            stated = _riff_end(file, present)
        elif head[:4] == _EBML:
            stated = _matroska_end(file)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            stated = _mp4_end(file, present)
        else:
            return 0
    return max(0, stated - present)


def _riff_end(file: BinaryIO, present: int) -> int:
    """End of the last ``RIFF`` chunk; files above 1 GB have several."""
    begin = end = 0
    while begin + 8 <= present:
        file.seek(begin)
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or size in (0, 0xFFFFFFFF):  # 0: never finished by its writer
            break
        end = begin + 8 + size
        begin = end + size % 2
    return end


def _mp4_end(file: BinaryIO, present: int) -> int:
    """End of the last box."""
    end = 0
    while end + 8 <= present:
        file.seek(end)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8 or not kind.isascii():  # 0: up to the end of the file, whatever that is
            break
        end += size
    return end


def _matroska_end(file: BinaryIO) -> int:
    """End of the segment that follows the EBML header."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return 0
    size = _vint(file)
    return 0 if size is None else file.tell() + size


def _vint(file: BinaryIO) -> int | None:
    """An EBML number; ``None`` if it says "unknown" (a live recording) or is cut off."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    raw = first + file.read(length - 1)
    if len(raw) < length:
        return None
    bits = 7 * length
    value = int.from_bytes(raw, "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
