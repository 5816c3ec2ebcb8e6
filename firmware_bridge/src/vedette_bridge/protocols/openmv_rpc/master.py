"""The controlling side of OpenMV's RPC protocol, over a serial port.

Source: OpenMV's ``rpc`` module. A call goes in four phases, each a packet that is answered by one of the same magic
number: command header, command data, result header, result data. A packet is the magic number, a payload, and a
CRC-16/CCITT-FALSE of both, little-endian. Functions are named by a hash.

The camera's side gives up on a byte within 2 ms and throws away what it has, so a phase that fails is begun anew, with
growing patience. A call whose acknowledgement is lost may be carried out twice: the protocol has no numbers.
"""

from __future__ import annotations

import binascii
import collections
import struct
import time
from collections.abc import Iterator

from vedette_bridge.errors import LinkTimeoutError, ProtocolError
from vedette_bridge.port import Port

COMMAND_HEADER, COMMAND_DATA, RESULT_HEADER, RESULT_DATA = 0x1209, 0xABD1, 0x9021, 0x1DBA
_EMPTY = 4
_LARGEST = 16 << 20
_IDLE_S = 0.25
"""How long a packet may stand still in the middle."""
_GONE_S = 0.5
"""A result that was on its way and did not arrive is gone if the camera does not offer it again in this time."""


class Master:
    """Calls functions on the camera. One call at a time."""

    def __init__(self, port: Port, baud: int) -> None:
        self.port = port
        self.counters: collections.Counter[str] = collections.Counter()
        self._byte_s = 10 / baud
        self._buffer = bytearray()

    def call(self, name: str, data: bytes, timeout_s: float) -> bytes:
        """Call a function of the camera's script by its name; what it returned.

        An unknown function returns nothing, like one that returns nothing: the protocol does not tell them apart.

        Raises
        ------
        LinkTimeoutError
            The command was not taken, or its result did not come, within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        self._put_command(djb2(name), data, deadline, name)
        return self._get_result(deadline, name)

    def _put_command(self, command: int, data: bytes, deadline: float, name: str) -> None:
        header = packet(COMMAND_HEADER, struct.pack("<II", command, len(data)))
        body = packet(COMMAND_DATA, data)
        for patience_s in self._patience(deadline, len(header), name, "did not take the call"):
            self._send(header)
            if self._receive(COMMAND_HEADER, 0, patience_s) is None:
                continue
            self._send(body, flush=False)
            if self._receive(COMMAND_DATA, 0, patience_s + len(body) * self._byte_s) is not None:
                return

    def _get_result(self, deadline: float, name: str) -> bytes:
        offered_s = 0.0
        for patience_s in self._patience(deadline, _EMPTY, name, "did not return"):
            if offered_s and time.monotonic() - offered_s > _GONE_S:
                break
            self._send(packet(RESULT_HEADER))
            header = self._receive(RESULT_HEADER, 4, patience_s)
            if header is None:
                continue
            offered_s = time.monotonic()
            (size,) = struct.unpack("<I", header)
            if size > _LARGEST:
                raise ProtocolError(f"{self.port.url}: {name} announces a result of {size} bytes")
            self._send(packet(RESULT_DATA), flush=False)
            result = self._receive(RESULT_DATA, size, patience_s + size * self._byte_s)
            if result is not None:
                return result
        raise LinkTimeoutError(
            f"{self.port.url}: the result of {name!r} was lost on the line", fix="call it again"
        )

    def _patience(self, deadline: float, size: int, name: str, what: str) -> Iterator[float]:
        """How long to wait in each try, until the time is up."""
        patience_s = 0.01 + 3 * size * self._byte_s
        tries = 0
        while (left := deadline - time.monotonic()) > 0:
            self.counters["tries"] += 1
            self.counters["tries_again"] += tries > 0
            tries += 1
            yield min(patience_s, left)
            patience_s = min(patience_s * 4 / 3, 0.2)
        raise LinkTimeoutError(
            f"{self.port.url}: the camera {what} {name!r} in time ({tries} tries)",
            fix="is its script running, with this function registered, and is the baud rate the same on both sides?",
        )

    def _send(self, data: bytes, *, flush: bool = True) -> None:
        if flush:
            self.port.discard_input()
            self._buffer.clear()
        self.port.write(data)

    def _receive(self, magic: int, size: int, patience_s: float) -> bytes | None:
        """The payload of the next packet of this kind, or ``None``; anything before it is dropped."""
        wanted = size + _EMPTY
        head = struct.pack("<H", magic)
        deadline = time.monotonic() + patience_s
        idle_s = max(_IDLE_S, patience_s)
        while True:
            at = self._buffer.find(head)
            if at < 0:
                self._drop(max(0, len(self._buffer) - 1))
            elif len(self._buffer) - at >= wanted:
                found = bytes(self._buffer[at : at + wanted])
                if binascii.crc_hqx(found[:-2], 0xFFFF) == int.from_bytes(found[-2:], "little"):
                    self.counters["skipped_bytes"] += at
                    del self._buffer[: at + wanted]
                    return found[2:-2]
                self.counters["bad_checksums"] += 1
                self._drop(at + 1)
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            data = self.port.read(left)
            self._buffer += data
            if data and at >= 0:  # the packet is coming: only standing still ends it
                deadline = time.monotonic() + idle_s

    def _drop(self, count: int) -> None:
        self.counters["skipped_bytes"] += count
        del self._buffer[:count]


def packet(magic: int, payload: bytes = b"") -> bytes:
    """A packet ready to be sent."""
    body = struct.pack("<H", magic) + payload
    return body + struct.pack("<H", binascii.crc_hqx(body, 0xFFFF))


def djb2(name: str) -> int:
    """The 32-bit hash that names a function.

    >>> hex(djb2("jpeg_image_snapshot"))
    '0xcb59aa16'
    """
    value = 5381
    for byte in name.encode():
        value = (value * 33 ^ byte) & 0xFFFFFFFF
    return value
