"""The little that a bridge needs of JPEG: the size of a picture, and a test card that needs no image library.

Source: ITU-T T.81 (baseline, Huffman).
"""

from __future__ import annotations

import struct

_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers: those of C0 .. CF that are no tables."""
_QUANTUM = 8
"""With it the coded value of a flat block is its brightness less 128."""


def jpeg_size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height in pixels; ``(0, 0)`` if this is not a JPEG picture or is cut off before its size."""
    at = 2
    if bytes(data[:2]) != b"\xff\xd8":
        return 0, 0
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _SIZES:
            h, w = struct.unpack_from(">HH", data, at + 5)
            return w, h
        alone = marker == 0xFF or 0xD0 <= marker <= 0xD8  # fill bytes, and markers without a segment
        at += 1 if marker == 0xFF else 2 if alone else 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0, 0


def sample_jpeg(size_wh: tuple[int, int], number: int) -> bytes:
    """A grey JPEG of flat 8 x 8 blocks: a ramp that moves with ``number``, which the first 32 blocks spell in bits.

    Sizes are rounded up to whole blocks in the coding, not in the header; 1 .. 65535 each.
    """
    w, h = size_wh
    columns, rows = -(-w // 8), -(-h // 8)
    bits = _Bits()
    before = 0
    for index in range(columns * rows):
        row, column = divmod(index, columns)
        if index < 32:
            level = 120 if number >> index & 1 else -120
        else:
            level = (column * 7 + row * 3 + number * 5) % 200 - 100
        bits.put_difference(level - before)
        before = level
    head = (
        b"\xff\xd8"
        + _segment(0xDB, b"\0" + bytes((_QUANTUM,)) * 64)
        + _segment(0xC0, struct.pack(">BHHB", 8, h, w, 1) + bytes((1, 0x11, 0)))
        + _segment(
            0xC4, b"\x00" + bytes((0, 0, 0, 12, *bytes(12))) + bytes(range(12))
        )  # DC: 12 codes of 4 bits
        + _segment(0xC4, b"\x10" + bytes((1, *bytes(15))) + b"\0")  # AC: the end of the block alone, 1 bit
        + _segment(0xDA, bytes((1, 1, 0x00, 0, 63, 0)))
    )
    return head + bits.finish() + b"\xff\xd9"


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


class _Bits:
    """Entropy-coded data of blocks that are flat."""

    def __init__(self) -> None:
        self._value, self._count = 1, 0  # a leading one keeps the zeros

    def put_difference(self, difference: int) -> None:
        category = abs(difference).bit_length()
        extra = difference if difference >= 0 else difference + (1 << category) - 1
        self._put(category, 4)
        self._put(extra, category)
        self._put(0, 1)

    def finish(self) -> bytes:
        padding = -self._count % 8
        self._put((1 << padding) - 1, padding)
        return self._value.to_bytes(self._count // 8 + 1)[1:].replace(b"\xff", b"\xff\x00")

    def _put(self, value: int, count: int) -> None:
        self._value = self._value << count | value
        self._count += count
