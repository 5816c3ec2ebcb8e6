"""Packets of OpenMV's protocol version 2 (``omv_protocol.h`` of its firmware), as this side writes and reads them.

A packet is ``D5AA`` little-endian, sequence number, channel, flags, opcode, length, CRC-16 of these; then, unless the
length is 0, a payload and its CRC-32. The generator polynomials are the firmware's, 0xF94F and 0xFA567D89: Koopman's
notation of good ones, used as if it were the normal one. They must be used as the firmware uses them.
"""

from __future__ import annotations

import collections
import struct
from dataclasses import dataclass

ACK, NAK, RTX, ACK_REQ, FRAGMENT, EVENT = 1, 2, 4, 8, 16, 32
SMALLEST_MAXIMUM = 52
"""So much payload every camera takes, whatever was agreed."""

_SYNC = b"\xaa\xd5"
_HEAD = struct.Struct("<HBBBBH")
_HEADER = _HEAD.size + 2


@dataclass(frozen=True, slots=True)
class Packet:
    """``damaged``: the header is good and the payload is not; it is empty here."""

    sequence: int
    channel: int
    flags: int
    opcode: int
    payload: bytes = b""
    damaged: bool = False

    def encode(self) -> bytes:
        head = _HEAD.pack(0xD5AA, self.sequence, self.channel, self.flags, self.opcode, len(self.payload))
        head += struct.pack("<H", crc16(head))
        return head + self.payload + struct.pack("<I", crc32(self.payload)) if self.payload else head


class Parser:
    """Bytes in, packets out. After any damage it goes on one byte later; it keeps less than two packets."""

    def __init__(self, counters: collections.Counter[str]) -> None:
        self.longest = SMALLEST_MAXIMUM
        self._counters = counters
        self._buffer = bytearray()

    def clear(self) -> None:
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Packet]:
        self._buffer += data
        found = []
        while (packet := self._next()) is not None:
            found.append(packet)
        return found

    def _next(self) -> Packet | None:
        while True:
            at = self._buffer.find(_SYNC)
            self._skip(at if at >= 0 else max(0, len(self._buffer) - 1))
            if at < 0 or len(self._buffer) < _HEADER:
                return None
            head = self._buffer[: _HEAD.size]
            _, sequence, channel, flags, opcode, length = _HEAD.unpack(head)
            if length > self.longest or crc16(head) != int.from_bytes(self._buffer[8:_HEADER], "little"):
                self._counters["bad_headers"] += 1
                self._skip(1)
                continue
            end = _HEADER + (length + 4 if length else 0)
            if len(self._buffer) < end:
                return None
            payload = bytes(self._buffer[_HEADER : _HEADER + length])
            if length and crc32(payload) != int.from_bytes(self._buffer[_HEADER + length : end], "little"):
                self._counters["bad_payloads"] += 1
                self._skip(1)
                return Packet(sequence, channel, flags, opcode, damaged=True)
            del self._buffer[:end]
            self._counters["packets"] += 1
            return Packet(sequence, channel, flags, opcode, payload)

    def _skip(self, count: int) -> None:
        self._counters["skipped_bytes"] += count
        del self._buffer[:count]


def _table(polynomial: int, width: int) -> tuple[int, ...]:
    generator = polynomial | 1 << width

    def row(index: int) -> int:
        value = index << (width - 8)
        for _ in range(8):
            value <<= 1
            value ^= generator if value >> width else 0
        return value

    return tuple(row(index) for index in range(256))


_CRC16, _CRC32 = _table(0xF94F, 16), _table(0xFA567D89, 32)


def crc16(data: bytes | bytearray) -> int:
    """CRC-16 with 0xF94F, all ones at the start, not reflected.

    >>> hex(crc16(b"123456789"))
    '0xe541'
    """
    value = 0xFFFF
    for byte in data:
        value = (value & 0xFF) << 8 ^ _CRC16[value >> 8 ^ byte]
    return value


def crc32(data: bytes | bytearray) -> int:
    """CRC-32 with 0xFA567D89, all ones at the start, not reflected, not inverted.

    >>> hex(crc32(b"123456789"))
    '0x41b403d3'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = (value & 0xFFFFFF) << 8 ^ _CRC32[value >> 24 ^ byte]
    return value
