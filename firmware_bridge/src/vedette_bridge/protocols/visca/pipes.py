"""The two ways in which VISCA messages travel: as they are on a serial line, and numbered in datagrams over IP."""

from __future__ import annotations

import collections
import select
import socket
import struct
import time
from typing import Protocol

from vedette_bridge.errors import PortError, PortGoneError
from vedette_bridge.port import Port
from vedette_bridge.protocols.visca.messages import ADDRESS_SET, END, INQUIRE, LONGEST

COMMAND, INQUIRY, REPLY, CONTROL, CONTROL_REPLY = 0x0100, 0x0110, 0x0111, 0x0200, 0x0201
_HEADER = struct.Struct(">HHI")
"""Kind of the payload, its length, sequence number."""

Numbered = tuple[int | None, bytes]
"""A message, and the sequence number of what it answers; ``None`` where messages have no number."""


class Pipe(Protocol):
    """Carries whole messages."""

    name: str
    counters: collections.Counter[str]
    retries: bool
    """Whether a message may get lost and can be sent again without harm."""

    def start(self) -> None:
        """Bring the other side into a known state."""
        ...

    def send(self, message: bytes, number: int | None = None) -> int | None:
        """Send one message; ``number`` is that of an earlier sending of the same. Returns its number."""
        ...

    def receive(self, timeout_s: float) -> list[Numbered]:
        """What has come, after waiting for it; empty if nothing did."""
        ...

    def close(self) -> None: ...


class SerialPipe:
    """RS-232, RS-422, or the same bytes over TCP. Garbage is dropped up to the next ``FF``, and counted."""

    retries = False

    def __init__(self, port: Port) -> None:
        self.name = port.url
        self.counters: collections.Counter[str] = collections.Counter()
        self._port = port
        self._buffer = bytearray()

    def start(self) -> None:
        self._port.discard_input()
        self._port.write(ADDRESS_SET)

    def send(self, message: bytes, number: int | None = None) -> int | None:
        self._port.write(message)
        return None

    def receive(self, timeout_s: float) -> list[Numbered]:
        data = self._port.read(timeout_s)
        *whole, rest = (self._buffer + data).split(bytes((END,)))
        if len(rest) >= LONGEST:
            self.counters["garbage_bytes"] += len(rest)
            rest = bytearray()
        self._buffer = rest
        return [(None, bytes(body) + b"\xff") for body in whole if self._plausible(body)]

    def close(self) -> None:
        self._port.close()

    def _plausible(self, body: bytearray) -> bool:
        if 2 <= len(body) < LONGEST and body[0] & 0x80:
            return True
        self.counters["garbage_bytes"] += len(body) + 1
        return False


class UdpPipe:
    """VISCA over IP: an 8-byte header with a sequence number, which the answers repeat."""

    retries = True

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self.counters: collections.Counter[str] = collections.Counter()
        self._number = 0
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.connect(address)  # datagrams from elsewhere are not ours
        except OSError as error:
            raise PortError(f"{self.name} cannot be reached: {error.strerror}") from error

    def start(self) -> None:
        """Have the camera count from 0 again."""
        self._number = 0
        self._put(CONTROL, 0, b"\x01")
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline and not self._take(0.05):
            pass

    def send(self, message: bytes, number: int | None = None) -> int | None:
        if number is None:
            self._number = (self._number + 1) & 0xFFFFFFFF
            number = self._number
        self._put(INQUIRY if message[1] == INQUIRE else COMMAND, number, message)
        return number

    def receive(self, timeout_s: float) -> list[Numbered]:
        return [(number, payload) for kind, number, payload in self._take(timeout_s) if kind == REPLY]

    def close(self) -> None:
        self._socket.close()

    def _put(self, kind: int, number: int, payload: bytes) -> None:
        try:
            self._socket.send(_HEADER.pack(kind, len(payload), number) + payload)
        except OSError as error:
            raise self._gone(error) from error

    def _take(self, timeout_s: float) -> list[tuple[int, int, bytes]]:
        try:
            if not select.select([self._socket], [], [], timeout_s)[0]:
                return []
            datagram = self._socket.recv(65536)
        except (OSError, ValueError) as error:
            raise self._gone(error) from error
        if len(datagram) < _HEADER.size:
            self.counters["garbage_datagrams"] += 1
            return []
        kind, length, number = _HEADER.unpack_from(datagram)
        payload = datagram[_HEADER.size :]
        if kind == CONTROL_REPLY and payload[:1] == b"\x0f":
            self.counters["sequence_errors"] += 1  # it has this number already: an acknowledgement was lost
            return [(REPLY, number, b"\x90\x40\xff")]
        if kind not in (REPLY, CONTROL_REPLY) or length != len(payload) or not 1 <= length <= LONGEST:
            self.counters["garbage_datagrams"] += 1
            return []
        return [(kind, number, payload)]

    def _gone(self, error: Exception) -> PortGoneError:
        reason = getattr(error, "strerror", None) or "it was closed"
        return PortGoneError(
            f"{self.name}: {reason}", fix="is the camera on, and is VISCA over IP enabled in it?"
        )
