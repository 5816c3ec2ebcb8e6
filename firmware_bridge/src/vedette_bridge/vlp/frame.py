"""The frame of PROTOCOL.md, section 1: its fields, and its bytes."""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

SYNC = b"\xff\x9e"
HEADER_SIZE = 16
OVERHEAD = HEADER_SIZE + 4
"""Bytes that a frame adds to a payload that is not empty."""
VERSION = 1
VERSION_BITS = VERSION << 6

REL = 1 << 5
MORE = 1 << 4
FIRST = 1 << 3
RTX = 1 << 2
AUTH = 1 << 1
RESERVED = 1 << 0

CTL, RPC, EVENT, LOG, IMAGE, RESULT, TRIGGER, FWUP, PTZ = range(9)
VENDOR = range(32, 128)
CONTROL, BULK = 0, 1
STREAM_OF = {
    RPC: CONTROL,
    EVENT: CONTROL,
    RESULT: CONTROL,
    TRIGGER: CONTROL,
    PTZ: CONTROL,
    LOG: BULK,
    IMAGE: BULK,
    FWUP: BULK,
}
"""The stream that a channel's messages take; a vendor's channel may take either."""
DATAGRAMS = frozenset((EVENT, LOG, RESULT))
"""Channels whose messages may also be datagrams; a vendor's may, too."""

MIN_PAYLOAD, MAX_PAYLOAD = 64, 8192
MAX_WINDOW = 32

_FIELDS = struct.Struct("<BBHHHBB")
_CRC = struct.Struct("<I")
FIELDS = struct.Struct("<BBHHHBBI")
"""VF, CH, SEQ, ACK, LEN, CREDIT, SID, HCRC: what follows SYNC."""


class Frame(NamedTuple):
    """A frame that passed every check. ``salted``: under the salt of the session, not under 0."""

    vf: int
    ch: int
    seq: int
    ack: int
    credit: int
    sid: int
    payload: bytes
    salted: bool


def encode(
    vf: int, ch: int, seq: int, ack: int, credit: int, sid: int, payload: bytes | memoryview, salt: int
) -> bytes:
    """The bytes of a frame. ``vf`` holds the flags; the version is added.

    >>> encode(0, CTL, 0, 0, 0, 0, b"", salt=0).hex()
    'ff9e40000000000000000000d66f307d'
    """
    length = len(payload)
    fields = _FIELDS.pack(vf | VERSION_BITS, ch, seq, ack, length, credit, sid)
    hcrc = crc32(fields, salt)
    header = SYNC + fields + _CRC.pack(hcrc)
    if not length:
        return header
    return b"".join((header, payload, _CRC.pack(crc32(payload, hcrc))))


def payload_for(baud: int | None, maxpl: int) -> int:
    """How many bytes of payload a bulk frame should carry: 5 ms of the line (section 2.5)."""
    if baud is None:
        return maxpl
    line = baud * 5 // 10_000  # 10 bits a byte
    return min(maxpl, min(max(line, 128), MAX_PAYLOAD) // 64 * 64)


def line_us(size: int, baud: int | None) -> int:
    """How long ``size`` bytes occupy the line, in microseconds; 0 where there is no baud rate."""
    return 0 if baud is None else size * 10_000_000 // baud


def stall_us(baud: int | None, maxpl: int) -> int:
    """How long a partial frame may wait for its next byte."""
    return max(20_000, 4 * line_us(payload_for(baud, maxpl) + OVERHEAD, baud))


def unwrap(seq: int, near: int) -> int:
    """The sequence number without its wrap-around that is closest to ``near``.

    >>> unwrap(2, 65535), unwrap(65534, 65537)
    (65538, 65534)
    """
    return near + ((seq - near + 0x8000) & 0xFFFF) - 0x8000
