"""A VISCA camera to practise on: it moves at a finite speed, has two sockets, and answers as the manuals say.

Written from the device's side of Sony's command lists, and sharing nothing with the driver.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vedette_bridge.device import Device

SYNTAX, BUFFER_FULL, CANCELLED, NO_SOCKET, NOT_EXECUTABLE = 2, 3, 4, 5, 0x41
_LONGEST = 16


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``speed_deg_s`` is the highest speed of pan and tilt; zoom and focus cross their range in ``lens_s``."""

    address: int = 1
    speed_deg_s: float = 60.0
    lens_s: float = 2.0


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The camera on a serial line, or behind the header of VISCA over IP."""
    camera = ViscaDevice(options)
    return OverIp(camera) if datagrams else OnLine(camera)


@dataclass(slots=True)
class Axis:
    """One thing that moves, in the camera's steps."""

    low: float
    high: float
    at: float
    fastest: float
    target: float = 0.0
    speed: float = 0.0

    def __post_init__(self) -> None:
        self.target = self.at

    def go(self, target: float, share: float = 1.0) -> None:
        self.target, self.speed = min(self.high, max(self.low, target)), share * self.fastest

    def halt(self) -> None:
        self.target = self.at

    def advance(self, seconds: float) -> None:
        distance = self.target - self.at
        reach = self.speed * seconds
        self.at = self.target if abs(distance) <= reach else self.at + (reach if distance > 0 else -reach)


@dataclass(slots=True)
class Job:
    """A command that goes on: until its axes have arrived."""

    axes: tuple[Axis, ...]
    tag: object
    """Whatever the answer must be given with (a sequence number)."""


class ViscaDevice:
    """The camera itself: bodies of messages in, answers out, as ``(tag, message)``."""

    def __init__(self, options: EmulatorOptions) -> None:
        self.options = options
        self.presets: dict[int, tuple[float, ...]] = {}
        self.jobs: dict[int, Job] = {}
        steps = 14.4
        fast = self.options.speed_deg_s * steps
        self.pan = Axis(-170 * steps, 170 * steps, 0, fast)
        self.tilt = Axis(-30 * steps, 90 * steps, 0, fast)
        self.zoom = Axis(0, 0x4000, 0, 0x4000 / self.options.lens_s)
        self.focus = Axis(0x1000, 0xF000, 0x1000, 0xE000 / self.options.lens_s)
        self.settings = {
            0x00: b"\x02",
            0x38: b"\x02",
            0x39: b"\x00",
            0x35: b"\x00",
            0x61: b"\x03",
            0x66: b"\x03",
            0x4A: b"\0\0\0\5",
            0x4B: b"\0\0\0\5",
            0x4C: b"\0\0\0\1",
        }
        self.then = 0

    @property
    def axes(self) -> tuple[Axis, Axis, Axis, Axis]:
        return self.pan, self.tilt, self.zoom, self.focus

    def handle(self, message: bytes, tag: object, now_ns: int) -> Iterable[tuple[object, bytes]]:
        """Answer one message, without its ``FF``."""
        if message[0] == 0x88:
            yield from self._broadcast(message, tag)
            return
        if message[0] != 0x80 | self.options.address:
            return
        yield from ((owner, self._reply(*body)) for owner, body in self.advance(now_ns))
        kind, body = message[1:2], message[2:]
        if kind == b"\x09":
            yield tag, self._inquiry(body)
        elif kind == b"\x01" and body == b"\x00\x01":
            self.jobs.clear()
            yield tag, self._reply(0x50)
        elif kind == b"\x01":
            yield from ((tag, answer) for answer in self._command(body, tag))
        elif message[1] >> 4 == 2:
            yield from self._cancel(message[1] & 0x0F, tag)
        else:
            yield tag, self._reply(0x60, SYNTAX)

    def advance(self, now_ns: int) -> list[tuple[object, tuple[int, ...]]]:
        """Move on to a time; what is completed by then."""
        seconds, self.then = (now_ns - self.then) / 1e9 if self.then else 0.0, now_ns
        for axis in self.axes:
            axis.advance(seconds)
        over = [
            socket for socket, job in self.jobs.items() if all(axis.at == axis.target for axis in job.axes)
        ]
        return [(self.jobs.pop(socket).tag, (0x50 | socket,)) for socket in over]

    def finished(self, now_ns: int) -> Iterable[tuple[object, bytes]]:
        """The completions that are due."""
        return [(tag, self._reply(*body)) for tag, body in self.advance(now_ns)]

    def _reply(self, *body: int) -> bytes:
        return bytes((0x80 + self.options.address * 16, *body, 0xFF))

    def _broadcast(self, message: bytes, tag: object) -> Iterable[tuple[object, bytes]]:
        if message[1:2] == b"\x30":
            yield tag, bytes((0x88, 0x30, self.options.address + 1, 0xFF))
        elif message[1:] == b"\x01\x00\x01":
            self.jobs.clear()
            yield tag, b"\x88\x01\x00\x01\xff"

    def _cancel(self, socket: int, tag: object) -> Iterable[tuple[object, bytes]]:
        job = self.jobs.pop(socket, None)
        if job is None:
            yield tag, self._reply(0x60 | socket, NO_SOCKET)
            return
        for axis in job.axes:
            axis.halt()
        yield job.tag, self._reply(0x60 | socket, CANCELLED)

    def _inquiry(self, body: bytes) -> bytes:
        if body == b"\x00\x02":
            return self._reply(0x50, 0x00, 0x20, 0x05, 0x11, 0x01, 0x02, 0x02)
        if body == b"\x06\x12":
            return self._reply(0x50, *_four(self.pan.at), *_four(self.tilt.at))
        if body in (b"\x04\x47", b"\x04\x48"):
            return self._reply(0x50, *_four((self.zoom if body[1] == 0x47 else self.focus).at))
        if len(body) == 2 and body[0] == 0x04 and body[1] in self.settings:
            return self._reply(0x50, *self.settings[body[1]])
        return self._reply(0x60, SYNTAX)

    def _command(self, body: bytes, tag: object) -> Iterable[bytes]:
        free = [socket for socket in (1, 2) if socket not in self.jobs]
        if not free:
            return [self._reply(0x60, BUFFER_FULL)]
        result = self._carry_out(body)
        if isinstance(result, int):
            socket = free[0] if result == NOT_EXECUTABLE else 0
            return [self._reply(0x60 | socket, result)]
        acknowledged = self._reply(0x40 | free[0])
        if not result:
            return [acknowledged, self._reply(0x50 | free[0])]
        self.jobs[free[0]] = Job(result, tag)
        return [acknowledged]

    def _carry_out(self, body: bytes) -> tuple[Axis, ...] | int:
        """Begin; gives the axes to wait for, or an error."""
        handlers: dict[bytes, Callable[[bytes], tuple[Axis, ...] | int]] = {
            b"\x06\x01": self._drive,
            b"\x06\x02": self._move,
            b"\x06\x03": self._move,
            b"\x06\x04": self._home,
            b"\x06\x05": self._home,
            b"\x04\x07": self._drive_lens,
            b"\x04\x08": self._drive_lens,
            b"\x04\x47": self._move_lens,
            b"\x04\x48": self._move_lens,
            b"\x04\x3f": self._preset,
        }
        powered = self.settings[0x00] == b"\x02"
        if body[:2] in handlers:
            return handlers[body[:2]](body) if powered else NOT_EXECUTABLE
        if len(body) in (3, 6) and body[0] == 0x04 and len(self.settings.get(body[1], b"")) == len(body) - 2:
            self.settings[body[1]] = body[2:]
            return ()
        return SYNTAX

    def _drive(self, body: bytes) -> tuple[Axis, ...] | int:
        if len(body) != 6:
            return SYNTAX
        ways = {0x0301: -1, 0x0302: 1, 0x0201: 1, 0x0202: -1, 0x0303: 0, 0x0203: 0}
        pan, tilt = ways.get(0x0300 | body[4]), ways.get(0x0200 | body[5])
        if pan is None or tilt is None or body[2] > 0x18 or body[3] > 0x18:
            return SYNTAX
        for axis, way, speed in ((self.pan, pan, body[2]), (self.tilt, tilt, body[3])):
            axis.halt() if way == 0 else axis.go(way * 1e9, max(1, speed) / 0x18)
        return ()

    def _move(self, body: bytes) -> tuple[Axis, ...] | int:
        pan, tilt = _signed(body[4:8]), _signed(body[8:])
        if len(body) != 12 or pan is None or tilt is None or not (body[2] and body[3]):
            return SYNTAX
        relative = body[1] == 0x03
        for axis, steps, speed in ((self.pan, pan, body[2]), (self.tilt, tilt, body[3])):
            axis.go(steps + (axis.at if relative else 0), min(1.0, speed / 0x14))
        return self.pan, self.tilt

    def _home(self, body: bytes) -> tuple[Axis, ...] | int:
        self.pan.go(0)
        self.tilt.go(0)
        return self.pan, self.tilt

    def _drive_lens(self, body: bytes) -> tuple[Axis, ...] | int:
        zooming = body[1] == 0x07
        axis = self.zoom if zooming else self.focus
        if len(body) != 3 or body[2] >> 4 not in (0, 2, 3) or body[2] & 0x0F > (7 if body[2] > 3 else 3):
            return SYNTAX
        if not zooming and self.settings[0x38] == b"\x02":
            return NOT_EXECUTABLE
        way = {0: 0, 2: 1, 3: -1}[body[2] >> 4 or body[2] & 3]
        if way == 0:
            axis.halt()
        else:
            axis.go((way if zooming else -way) * 1e9, (1 + (body[2] & 7)) / 8)
        return ()

    def _move_lens(self, body: bytes) -> tuple[Axis, ...] | int:
        places = [_signed(body[at : at + 4]) for at in range(2, len(body), 4)]
        if len(body) not in (6, 10) or None in places:
            return SYNTAX
        axes = (self.zoom, self.focus)[body[1] == 0x48 :][: len(places)]
        if self.focus in axes and self.settings[0x38] == b"\x02":
            return NOT_EXECUTABLE
        for axis, place in zip(axes, places, strict=True):
            axis.go((place or 0) & 0xFFFF)
        return axes

    def _preset(self, body: bytes) -> tuple[Axis, ...] | int:
        if len(body) != 4 or body[2] > 2:
            return SYNTAX
        if body[2] == 1:
            self.presets[body[3]] = tuple(axis.at for axis in self.axes)
        elif body[2] == 0:
            self.presets.pop(body[3], None)
        elif body[3] not in self.presets:
            return NOT_EXECUTABLE
        else:
            for axis, place in zip(self.axes, self.presets[body[3]], strict=True):
                axis.go(place)
            return self.axes
        return ()


class OnLine:
    """The camera on a serial line."""

    def __init__(self, camera: ViscaDevice) -> None:
        self.camera = camera
        self._partial = b""

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        *messages, self._partial = (self._partial + data).split(b"\xff")
        self._partial = self._partial[-_LONGEST:]
        for message in messages:
            if 2 <= len(message) < _LONGEST:
                yield from (answer for _, answer in self.camera.handle(message, None, now_ns))

    def tick(self, now_ns: int) -> Iterable[bytes]:
        return [answer for _, answer in self.camera.finished(now_ns)]

    def disconnected(self) -> None:
        self._partial = b""


class OverIp:
    """The camera behind an 8-byte header: kind, length, sequence number. What came already is not carried out again."""

    def __init__(self, camera: ViscaDevice) -> None:
        self.camera = camera
        self._seen: list[int] = []

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        if len(data) < 9:
            return
        kind, length, sequence = struct.unpack(">HHL", data[:8])
        body = data[8:]
        if kind == 0x0200:
            if body == b"\x01":
                self._seen.clear()
                yield struct.pack(">HHL", 0x0201, 1, sequence) + b"\x01"
        elif (
            kind in (0x0100, 0x0110) and length == len(body) and body.endswith(b"\xff") and length <= _LONGEST
        ):
            if sequence in self._seen:
                yield struct.pack(">HHL", 0x0201, 2, sequence) + b"\x0f\x01"
            else:
                self._seen = [*self._seen[-31:], sequence]
                yield from map(_datagram, self.camera.handle(body[:-1], sequence, now_ns))
        else:
            yield struct.pack(">HHL", 0x0201, 2, sequence) + b"\x0f\x02"

    def tick(self, now_ns: int) -> Iterable[bytes]:
        return [_datagram(answer) for answer in self.camera.finished(now_ns)]

    def disconnected(self) -> None:
        self._seen.clear()


def _datagram(answer: tuple[object, bytes]) -> bytes:
    sequence, message = answer
    assert isinstance(sequence, int)
    return struct.pack(">HHL", 0x0111, len(message), sequence) + message


def _four(value: float) -> bytes:
    return bytes(int(digit, 16) for digit in f"{round(value) & 0xFFFF:04x}")


def _signed(digits: bytes) -> int | None:
    if len(digits) != 4 or any(digit > 15 for digit in digits):
        return None
    value = digits[0] * 4096 + digits[1] * 256 + digits[2] * 16 + digits[3]
    return value - 65536 if value > 32767 else value
