"""What a controller sends over VISCA, and how the answers read.

Source: Sony's command lists (EVI-D70, SRG-300H technical manuals). A message is 3 .. 16 bytes: ``8x`` (to camera x), a
body, ``FF``. Numbers travel as nibbles, one per byte, so that ``FF`` occurs nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vedette_bridge.errors import ProtocolError

END = 0xFF
LONGEST = 16
INQUIRE = 0x09

IF_CLEAR = bytes.fromhex("01 00 01")
HOME = bytes.fromhex("01 06 04")
ASK_VERSION = bytes.fromhex("09 00 02")
ASK_PAN_TILT = bytes.fromhex("09 06 12")
ASK_ZOOM = bytes.fromhex("09 04 47")
ASK_FOCUS = bytes.fromhex("09 04 48")
ADDRESS_SET = bytes.fromhex("88 30 01 FF")

ERRORS = {
    0x01: "message length",
    0x02: "syntax",
    0x03: "buffer full",
    0x04: "cancelled",
    0x05: "no socket",
    0x41: "not executable",
}
PAN_SPEEDS, TILT_SPEEDS, LENS_SPEEDS = 0x18, 0x14, 7


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of a camera.

    ``kind`` is ``ack``, ``done`` (``data`` holds the answer to an inquiry, and is empty after a command), ``error``
    (``data`` holds its code) or ``other``. ``socket`` is the camera's number of the command, 0 for inquiries.
    """

    kind: Literal["ack", "done", "error", "other"]
    camera: int
    socket: int = 0
    data: bytes = b""


def parse_reply(message: bytes) -> Reply:
    """Read a whole message, ``FF`` included."""
    camera = (message[0] >> 4) - 8
    kinds: dict[int, Literal["ack", "done", "error"]] = {4: "ack", 5: "done", 6: "error"}
    kind = kinds.get(message[1] >> 4) if len(message) > 2 else None
    if kind is None or message[0] & 0x8F != 0x80 or not 1 <= camera <= 7:
        return Reply("other", camera, data=message)
    return Reply(kind, camera, message[1] & 0x0F, message[2:-1])


def nibbles(value: int, count: int = 4) -> bytes:
    """The lowest ``4 * count`` bits of a number, negative ones in two's complement, highest nibble first."""
    return bytes(value >> 4 * place & 0x0F for place in reversed(range(count)))


def number(data: bytes, *, signed: bool = False) -> int:
    """The reverse of :func:`nibbles`.

    Raises
    ------
    ProtocolError
        A byte is not a nibble.
    """
    if not data or max(data) > 0x0F:
        raise ProtocolError(f"VISCA: {data.hex(' ') or 'nothing'} is not a number in nibbles")
    value = int("".join(f"{nibble:x}" for nibble in data), 16)
    return value - (1 << 4 * len(data)) if signed and data[0] & 0x8 else value


def drive(pan: float, tilt: float) -> bytes:
    """Speeds -1 .. 1 to the right and upwards; 0 stops."""
    return bytes(
        (
            0x01,
            0x06,
            0x01,
            _speed(pan, PAN_SPEEDS),
            _speed(tilt, TILT_SPEEDS),
            _way(pan, 2, 1),
            _way(tilt, 1, 2),
        )
    )


def move(pan: int, tilt: int, speed: float, *, relative: bool) -> bytes:
    """To a position, or by a distance, in the camera's steps."""
    head = (0x01, 0x06, 0x03 if relative else 0x02, _speed(speed, PAN_SPEEDS), _speed(speed, TILT_SPEEDS))
    return bytes(head) + nibbles(pan) + nibbles(tilt)


def drive_zoom(speed: float) -> bytes:
    """-1 .. 1 towards tele."""
    return bytes((0x01, 0x04, 0x07, _lens(speed, 0x20, 0x30)))


def drive_focus(speed: float) -> bytes:
    """-1 .. 1 towards near."""
    return bytes((0x01, 0x04, 0x08, _lens(speed, 0x30, 0x20)))


def zoom_to(position: int) -> bytes:
    """To a position in the camera's steps."""
    return b"\x01\x04\x47" + nibbles(position)


def focus_to(position: int) -> bytes:
    """To a position in the camera's steps."""
    return b"\x01\x04\x48" + nibbles(position)


def preset(action: Literal["clear", "save", "recall"], number: int) -> bytes:
    """Save, recall or forget a position."""
    return bytes((0x01, 0x04, 0x3F, ("clear", "save", "recall").index(action), number))


def cancel(socket: int) -> bytes:
    """Give up the command of a socket."""
    return bytes((0x20 | socket,))


def _speed(share: float, highest: int) -> int:
    return max(1, round(abs(share) * highest))


def _way(speed: float, positive: int, negative: int) -> int:
    return positive if speed > 0 else negative if speed < 0 else 3


def _lens(speed: float, positive: int, negative: int) -> int:
    return (positive if speed > 0 else negative) | round(abs(speed) * LENS_SPEEDS) if speed else 0
