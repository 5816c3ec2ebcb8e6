"""Requests and their answers, one at a time. Whatever goes wrong on the line ends in a resynchronisation and a new try.

The camera numbers what it sends, waits for an acknowledgement of every packet with an answer in it, and sends it again
after half a second. This side asks for a damaged packet at once, by a negative acknowledgement.
"""

from __future__ import annotations

import collections
import struct
import threading
import time
from enum import IntEnum

from vedette_bridge.errors import DeviceError, LinkTimeoutError
from vedette_bridge.port import Port
from vedette_bridge.protocols.openmv2.packets import ACK, ACK_REQ, EVENT, FRAGMENT, NAK, RTX, Packet, Parser

_TRIES = 3
_LARGEST_ANSWER = 16 << 20
_CAPS = struct.Struct("<IH10x")
_ALL_ON = 0b1111
"""Checksums, sequence numbers, acknowledgements, events."""
_MAX_PAYLOAD = 4082


class Opcode(IntEnum):
    """What can be asked."""

    SYNC = 0x00
    GET_CAPS = 0x01
    SET_CAPS = 0x02
    STATS = 0x03
    VERSION = 0x04
    RESET = 0x10
    SYSTEM_INFO = 0x12
    SYSTEM_EVENT = 0x13
    LIST = 0x20
    POLL = 0x21
    LOCK = 0x22
    UNLOCK = 0x23
    SIZE = 0x25
    READ = 0x26
    WRITE = 0x27
    IOCTL = 0x28


STATUS = {
    1: "FAILED", 2: "INVALID", 3: "TIMEOUT", 4: "BUSY", 5: "CHECKSUM", 6: "SEQUENCE", 7: "OVERFLOW", 8: "FRAGMENT",
}  # fmt: skip
_LINE_FAULTS = frozenset(("TIMEOUT", "CHECKSUM", "SEQUENCE", "OVERFLOW", "FRAGMENT"))


class _Lost(Exception):  # noqa: N818 - the exchange is lost, and is tried again
    """The line did something to an exchange."""


class Session:
    """The conversation with one camera. Safe to use from several threads."""

    def __init__(self, port: Port, timeout_s: float) -> None:
        self.port = port
        self.name = f"openmv2 camera on {port.url}"
        self.counters: collections.Counter[str] = collections.Counter()
        self.generation = 0
        """Rises with each resynchronisation: the camera has then forgotten what it had locked."""
        self.events: collections.deque[tuple[int, int]] = collections.deque(maxlen=64)
        """The latest events, as channel and number."""
        self.max_payload = _MAX_PAYLOAD
        self._timeout_s = timeout_s
        self._parser = Parser(self.counters)
        self._received: collections.deque[Packet] = collections.deque()
        self._sequence = 0
        self._lock = threading.RLock()

    def request(self, opcode: Opcode, channel: int = 0, data: bytes = b"") -> bytes:
        """The payload of the answer; empty for a plain acknowledgement.

        It may be carried out twice, if the answer was lost.

        Raises
        ------
        DeviceError
            The camera refused; ``code`` is its status (``BUSY``, ``INVALID`` ...).
        LinkTimeoutError
            It does not answer, even after resynchronisation.
        """
        with self._lock:
            for attempt in range(_TRIES):
                try:
                    if attempt or not self.generation:
                        self._resynchronise()
                    return self._exchange(opcode, channel, data, self._timeout_s)
                except _Lost:
                    self.counters["lost_exchanges"] += 1
            raise LinkTimeoutError(
                f"{self.name} does not answer {opcode.name} ({_TRIES} tries of {self._timeout_s:g} s)",
                fix="is this an OpenMV camera with protocol version 2, and is no other program connected to it?",
            )

    def tell(self, opcode: Opcode) -> None:
        """Send what is never answered."""
        with self._lock:
            self._send(opcode, 0, 0, b"", self._sequence)

    def _resynchronise(self) -> None:
        self.counters["resynchronisations"] += 1
        self.generation += 1
        self.port.discard_input()
        self._parser.clear()
        self._received.clear()
        self._parser.longest = self.max_payload
        self._sequence = 0
        self._exchange(Opcode.SYNC, 0, b"", min(1.0, self._timeout_s))
        self._sequence = 0
        caps = self._exchange(Opcode.GET_CAPS, 0, b"", self._timeout_s)
        if len(caps) < _CAPS.size:
            raise _Lost
        self.max_payload = min(_CAPS.unpack_from(caps)[1], _MAX_PAYLOAD)
        self._exchange(Opcode.SET_CAPS, 0, _CAPS.pack(_ALL_ON, self.max_payload), self._timeout_s)

    def _exchange(self, opcode: Opcode, channel: int, data: bytes, timeout_s: float) -> bytes:
        self._send(opcode, channel, 0, data, self._sequence)
        answer = bytearray()
        deadline = time.monotonic() + timeout_s
        while True:
            packet = self._next_packet(deadline)
            if packet.opcode != opcode or packet.channel != channel:
                raise _Lost
            deadline = time.monotonic() + timeout_s
            self._sequence = (self._sequence + 1) & 0xFF
            answer += packet.payload
            if len(answer) > _LARGEST_ANSWER:
                raise _Lost
            if packet.flags & NAK:
                self._refused(packet)
            if not packet.flags & FRAGMENT:
                return bytes(answer)

    def _next_packet(self, deadline: float) -> Packet:
        """The next packet of the answer, acknowledged; events are put aside, repetitions dropped."""
        while True:
            while not self._received:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _Lost
                self._collect(left)
            packet = self._received.popleft()
            expected = packet.sequence == self._sequence or packet.opcode == Opcode.SYNC
            if packet.damaged:
                if expected and packet.flags & ACK_REQ:
                    self._send(packet.opcode, packet.channel, NAK, b"", packet.sequence)
            elif packet.flags & EVENT:
                self._acknowledge(packet)
                number = int.from_bytes(packet.payload[:2], "little") if packet.payload else 0xFFFF
                self.events.append((packet.channel, number))
            elif expected:
                self._acknowledge(packet)
                return packet
            elif packet.flags & RTX:
                self.counters["repetitions"] += 1
                self._acknowledge(packet)
            else:
                self.counters["out_of_sequence"] += 1

    def _acknowledge(self, packet: Packet) -> None:
        if packet.flags & ACK_REQ:
            self._send(packet.opcode, packet.channel, ACK, b"", packet.sequence)

    def _collect(self, timeout_s: float) -> None:
        self._received.extend(self._parser.feed(self.port.read(timeout_s)))

    def _send(self, opcode: int, channel: int, flags: int, data: bytes, sequence: int) -> None:
        self.port.write(Packet(sequence, channel, flags, opcode, data).encode())

    def _refused(self, packet: Packet) -> None:
        status = STATUS.get(int.from_bytes(packet.payload[:2], "little"), "UNKNOWN")
        if status in _LINE_FAULTS:
            raise _Lost
        raise DeviceError(f"{self.name} refuses opcode 0x{packet.opcode:02x}: {status}", code=status)
