"""A MAVLink camera on a gimbal, written from the message definitions with ``struct`` alone: no library on this side.

Source: mavlink.io: Packet Serialization, Message Signing, Camera Protocol v2, Gimbal Protocol v2, and ``common.xml``.
"""

from __future__ import annotations

import hashlib
import math
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

from vedette_bridge.device import Device

_CAMERA, _GIMBAL = 100, 154
_EXTRA = {0: 50, 76: 152, 77: 143, 111: 34, 259: 92, 260: 146, 263: 133, 280: 70, 285: 137}
"""What the checksum of each message ends with: it stands for the message's definition."""
_LENGTHS = {0: 9, 76: 33, 111: 16}
"""Full payload lengths of what is read here; zeros at the end are not sent."""


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``key``: 64 hexadecimal digits or a passphrase; then everything is signed, and what is unsigned is ignored."""

    system: int = 1
    speed_deg_s: float = 90.0
    key: str = ""


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The camera and its gimbal: two components of one system on one line."""
    return MavLinkDevice(options)


@dataclass(slots=True)
class Angle:
    """Degrees that are sought at a speed, or that move on at a rate."""

    low: float
    high: float
    at: float = 0.0
    goal: float | None = None
    rate: float = 0.0

    def advance(self, seconds: float, speed: float) -> None:
        if self.goal is None:
            self.at += self.rate * seconds
        else:
            self.at += max(-speed * seconds, min(speed * seconds, self.goal - self.at))
        self.at = max(self.low, min(self.high, self.at))


class MavLinkDevice:
    """The messages: what arrives is read, checked and obeyed."""

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._buffer = b""
        self._numbers = {_CAMERA: 0, _GIMBAL: 0}
        self._images = 0
        self._pitch, self._yaw = Angle(-90, 30), Angle(-170, 170)
        self._zoom, self._focus = Angle(0, 100), Angle(0, 100)
        self._then = self._started = self._beat = 0
        self.unsigned = 0
        """Messages that were ignored for want of a good signature."""
        hexadecimal = len(options.key) == 64 and not options.key.strip("0123456789abcdefABCDEF")
        digest = hashlib.sha256(options.key.encode()).digest()
        self._key = (bytes.fromhex(options.key) if hexadecimal else digest) if options.key else b""
        self._stamp = int((time.time() - 1420070400) * 100_000)
        self._seen: dict[tuple[int, int, int], int] = {}

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        self._advance(now_ns)
        self._buffer = (self._buffer + data)[-8192:]
        while (message := self._next()) is not None:
            yield from self._obey(*message, now_ns)

    def tick(self, now_ns: int) -> Iterable[bytes]:
        self._advance(now_ns)
        if now_ns >= self._beat:
            self._beat = now_ns + 500_000_000
            for component, kind in ((_CAMERA, 30), (_GIMBAL, 26)):
                yield self._pack(0, struct.pack("<IBBBBB", 0, kind, 8, 0, 4, 3), component)

    def disconnected(self) -> None:
        self._buffer = b""

    def _advance(self, now_ns: int) -> None:
        self._started = self._started or now_ns
        seconds, self._then = ((now_ns - self._then) / 1e9 if self._then else 0.0), now_ns
        for angle in (self._pitch, self._yaw):
            angle.advance(seconds, self._options.speed_deg_s)
        for lens in (self._zoom, self._focus):
            lens.advance(seconds, 100.0)

    def _next(self) -> tuple[int, int, int, bytes] | None:
        """Number of the next good message, sender's system and component, payload."""
        while True:
            start = self._buffer.find(b"\xfd")
            self._buffer = self._buffer[start:] if start >= 0 else b""
            if len(self._buffer) < 12:
                return None
            size, flags = self._buffer[1], self._buffer[2]
            whole = 12 + size + (13 if flags & 1 else 0)
            if len(self._buffer) < whole:
                return None
            packet = self._buffer[:whole]
            number = int.from_bytes(packet[7:10], "little")
            body = packet[1 : 10 + size]
            check = int.from_bytes(packet[10 + size : 12 + size], "little")
            if flags & ~1 or number not in _LENGTHS or _x25(body + bytes((_EXTRA[number],))) != check:
                known = number in _LENGTHS
                self._buffer = self._buffer[1:] if known or flags & ~1 else self._buffer[whole:]
                continue
            self._buffer = self._buffer[whole:]
            if self._key and not self._genuine(packet, flags):
                self.unsigned += 1
                continue
            return number, packet[5], packet[6], packet[10 : 10 + size].ljust(_LENGTHS[number], b"\0")

    def _genuine(self, packet: bytes, flags: int) -> bool:
        if not flags & 1 or hashlib.sha256(self._key + packet[:-6]).digest()[:6] != packet[-6:]:
            return False
        stream = (packet[-13], packet[5], packet[6])
        stamp = int.from_bytes(packet[-12:-6], "little")
        if stamp <= self._seen.get(stream, self._stamp - 6_000_000):
            return False
        self._seen[stream] = stamp
        return True

    def _pack(self, number: int, payload: bytes, component: int) -> bytes:
        payload = payload.rstrip(b"\0") or b"\0"
        sequence = self._numbers[component]
        self._numbers[component] = (sequence + 1) % 256
        signed = 1 if self._key else 0
        body = bytes((len(payload), signed, 0, sequence, self._options.system, component))
        body += number.to_bytes(3, "little") + payload
        packet = b"\xfd" + body + struct.pack("<H", _x25(body + bytes((_EXTRA[number],))))
        if not signed:
            return packet
        self._stamp += 1
        packet += b"\x07" + self._stamp.to_bytes(6, "little")
        return packet + hashlib.sha256(self._key + packet).digest()[:6]

    def _obey(self, number: int, system: int, component: int, body: bytes, now_ns: int) -> Iterable[bytes]:
        if number == 111:
            theirs, ours = struct.unpack("<qq", body)
            if theirs == 0:
                yield self._pack(111, struct.pack("<qq", now_ns, ours), _CAMERA)
        elif number == 76:
            *params, command, to_system, to_component, _ = struct.unpack("<7fHBBB", body)
            if to_system == self._options.system and to_component in (_CAMERA, _GIMBAL):
                result, more = self._command(to_component, command, params, now_ns)
                ack = struct.pack("<HBBiBB", command, result, 0, 0, system, component)
                yield self._pack(77, ack, to_component)
                yield from (self._pack(what, payload, to_component) for what, payload in more)

    def _command(
        self, component: int, command: int, params: list[float], now_ns: int
    ) -> tuple[int, list[tuple[int, bytes]]]:
        """Result (0 accepted, 2 denied, 3 unsupported), and the messages that follow."""
        if command == 512:
            known = self._message(int(params[0]), component, now_ns)
            return (0, [(int(params[0]), known)]) if known else (2, [])
        if component == _CAMERA and command == 2000:
            self._images += 1
            return 0, [(263, self._captured(now_ns))]
        if component == _CAMERA and command in (531, 532):
            return self._lens(self._zoom if command == 531 else self._focus, params), []
        if component == _GIMBAL and command == 1001:
            return 0, []
        if component == _GIMBAL and command == 1000:
            for angle, goal, rate in ((self._pitch, params[0], params[2]), (self._yaw, params[1], params[3])):
                if not math.isnan(goal):
                    angle.goal = goal
                elif not math.isnan(rate):
                    angle.goal, angle.rate = None, rate
            return 0, []
        return 3, []

    def _lens(self, lens: Angle, params: list[float]) -> int:
        if params[0] == 2 and 0 <= params[1] <= 100:
            lens.goal = params[1]
        elif params[0] == 1:
            lens.goal, lens.rate = None, params[1] * 50
        else:
            return 2
        return 0

    def _boot_ms(self, now_ns: int) -> int:
        return (now_ns - self._started) // 1_000_000

    def _message(self, number: int, component: int, now_ns: int) -> bytes:
        boot_ms = self._boot_ms(now_ns)
        if component == _CAMERA and number == 259:
            head = struct.pack("<IIfffIHHH", boot_ms, 0x04030201, 4.5, 6.4, 4.8, 2 | 64 | 128, 1920, 1080, 0)
            return head + b"Vedette".ljust(32, b"\0") + b"Emulated camera".ljust(32, b"\0") + bytes(143)
        if component == _CAMERA and number == 260:
            return struct.pack("<IBffB", boot_ms, 0, self._zoom.at, self._focus.at, 0)
        if component == _GIMBAL and number == 280:
            ranges = [
                math.radians(x)
                for x in (0, 0, self._pitch.low, self._pitch.high, self._yaw.low, self._yaw.high)
            ]
            return struct.pack("<II6fB", boot_ms, 0x3FF, *ranges, _GIMBAL)
        if component == _GIMBAL and number == 285:
            half_pitch, half_yaw = math.radians(self._pitch.at) / 2, math.radians(self._yaw.at) / 2
            q = (
                math.cos(half_pitch) * math.cos(half_yaw),
                -math.sin(half_pitch) * math.sin(half_yaw),
                math.sin(half_pitch) * math.cos(half_yaw),
                math.cos(half_pitch) * math.sin(half_yaw),
            )
            return struct.pack("<I4f3fIHBBffB", boot_ms, *q, 0, 0, 0, 0, 32, 0, 0, math.nan, math.nan, 0)
        return b""

    def _captured(self, now_ns: int) -> bytes:
        head = struct.pack("<QI4i4f", time.time_ns() // 1000, self._boot_ms(now_ns), 0, 0, 0, 0, 1, 0, 0, 0)
        url = f"mftp://image-{self._images}.jpg".encode().ljust(205, b"\0")
        return head + struct.pack("<iBb", self._images - 1, 0, 1) + url


def _x25(data: bytes) -> int:
    """CRC-16/MCRF4XX, which MAVLink calls X.25."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register
