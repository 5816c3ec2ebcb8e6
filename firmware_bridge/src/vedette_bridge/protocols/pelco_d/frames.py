"""Frames of Pelco-D, as a controller writes and reads them.

Source: Pelco's "D" Protocol Manual. A frame is 7 bytes: ``FF``, address, command 1, command 2, data 1, data 2, and the
sum of the five before it, modulo 256. A camera answers queries with a frame of the same shape.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass

SIZE = 7
SPEEDS = 0x3F

RIGHT, LEFT, UP, DOWN, TELE, WIDE, FAR = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
"""Bits of command 2."""
NEAR = 0x01
"""Bit of command 1."""

SAVE_PRESET, CLEAR_PRESET, RECALL_PRESET = 0x03, 0x05, 0x07
ZOOM_SPEED, FOCUS_SPEED = 0x25, 0x27
SET_PAN, SET_TILT, SET_ZOOM = 0x4B, 0x4D, 0x4F
ASK_PAN, ASK_TILT, ASK_ZOOM = 0x51, 0x53, 0x55
ANSWER = 0x08
"""What is added to the code of a query in its answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a camera says: ``value`` is data 1 and data 2 as one number."""

    address: int
    command: int
    value: int


def frame(address: int, command_2: int, data_1: int = 0, data_2: int = 0, *, command_1: int = 0) -> bytes:
    """A frame ready to be sent."""
    body = bytes((address, command_1, command_2, data_1, data_2))
    return b"\xff" + body + bytes((sum(body) & 0xFF,))


def extended(address: int, command: int, value: int = 0) -> bytes:
    """A frame with one number of 16 bits in both data bytes."""
    return frame(address, command, value >> 8, value & 0xFF)


class Reader:
    """Bytes in, answers out. Keeps less than one frame; what fits none is dropped, one byte at a time, and counted."""

    def __init__(self, counters: collections.Counter[str]) -> None:
        self._counters = counters
        self._buffer = bytearray()

    def clear(self) -> None:
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Answer]:
        self._buffer += data
        found = []
        while len(self._buffer) >= SIZE:
            if self._buffer[0] == 0xFF and sum(self._buffer[1:6]) & 0xFF == self._buffer[6]:
                address, _, command, high, low = self._buffer[1:6]
                found.append(Answer(address, command, high << 8 | low))
                del self._buffer[:SIZE]
                self._counters["answers"] += 1
            else:
                self._counters["skipped_bytes"] += 1
                del self._buffer[0]
        return found
