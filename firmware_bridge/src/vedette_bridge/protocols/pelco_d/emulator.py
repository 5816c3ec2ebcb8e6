"""A Pelco-D dome to practise on; the receiving side of the protocol, which shares nothing with the driver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vedette_bridge.device import Device

_PAN, _TILT, _ZOOM = "pan", "tilt", "zoom"


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``speed_deg_s`` is the highest speed; zoom crosses its range in ``zoom_s``; ``mute`` answers no query."""

    address: int = 1
    speed_deg_s: float = 100.0
    zoom_s: float = 2.0
    mute: bool = False


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The dome on its RS-485 line."""
    return PelcoDome(options)


class PelcoDome:
    """Angles are hundredths of a degree; tilt grows downwards, -20 .. 90 degrees; zoom is 0 .. 65535."""

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._buffer = b""
        self._then = 0
        self._at = {_PAN: 0.0, _TILT: 0.0, _ZOOM: 0.0}
        self._rate = dict.fromkeys(self._at, 0.0)
        self._target: dict[str, float] = {}
        self._presets: dict[int, dict[str, float]] = {}
        self._zoom_rate = 1.0
        self.focus = 0

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        self._move(now_ns)
        self._buffer = (self._buffer + data)[-4096:]
        while len(self._buffer) >= 7:
            head, rest = self._buffer[:7], self._buffer[7:]
            if head[0] != 0xFF or (head[1] + head[2] + head[3] + head[4] + head[5]) % 256 != head[6]:
                self._buffer = self._buffer[1:]
                continue
            self._buffer = rest
            if head[1] == self._options.address:
                yield from self._obey(head[2], head[3], head[4], head[5])

    def tick(self, now_ns: int) -> Iterable[bytes]:
        self._move(now_ns)
        return ()

    def disconnected(self) -> None:
        self._buffer = b""

    def _obey(self, one: int, two: int, high: int, low: int) -> Iterable[bytes]:
        if two % 2 == 0:
            self._steer(one, two, high, low)
        elif two in (0x51, 0x53, 0x55) and not self._options.mute:
            axis, code = {0x51: (_PAN, 0x59), 0x53: (_TILT, 0x5B), 0x55: (_ZOOM, 0x5D)}[two]
            value = int(round(self._at[axis]) % (65536 if axis == _ZOOM else 36000))
            body = [self._options.address, 0, code, value // 256, value % 256]
            yield bytes([0xFF, *body, sum(body) % 256])
        elif two in (0x4B, 0x4D, 0x4F):
            self._rate = dict.fromkeys(self._at, 0.0)
            self._aim({0x4B: _PAN, 0x4D: _TILT, 0x4F: _ZOOM}[two], high * 256 + low)
        elif two == 0x03:
            self._presets[low] = dict(self._at)
        elif two == 0x05:
            self._presets.pop(low, None)
        elif two == 0x07:
            self._target = dict(self._presets.get(low, {}))
        elif two == 0x25:
            self._zoom_rate = (low + 1) / 4

    def _aim(self, axis: str, value: int) -> None:
        if axis == _ZOOM:
            self._target[axis] = float(value)
        elif axis == _TILT:
            down = value if value <= 18000 else value - 36000
            self._target[axis] = float(min(9000, max(-2000, down)))
        else:
            turn = (value - self._at[axis]) % 36000
            self._target[axis] = self._at[axis] + (turn if turn <= 18000 else turn - 36000)  # the shorter way

    def _steer(self, one: int, two: int, high: int, low: int) -> None:
        self._target = {}
        fastest = self._options.speed_deg_s * 100

        def way(plus: int, minus: int) -> int:
            return bool(two & plus) - bool(two & minus)

        self._rate[_PAN] = way(0x02, 0x04) * min(high, 63) / 63 * fastest
        self._rate[_TILT] = way(0x10, 0x08) * min(low, 63) / 63 * fastest
        self._rate[_ZOOM] = way(0x20, 0x40) * self._zoom_rate * 65535 / self._options.zoom_s
        self.focus += (one & 1) - (two >> 7)

    def _move(self, now_ns: int) -> None:
        seconds, self._then = ((now_ns - self._then) / 1e9 if self._then else 0.0), now_ns
        for axis, rate in self._rate.items():
            self._at[axis] += rate * seconds
        for axis, target in list(self._target.items()):
            fastest = 65535 / self._options.zoom_s if axis == _ZOOM else self._options.speed_deg_s * 100
            step = max(-fastest * seconds, min(fastest * seconds, target - self._at[axis]))
            self._at[axis] += step
            if self._at[axis] == target:
                del self._target[axis]
        self._at[_TILT] = min(9000.0, max(-2000.0, self._at[_TILT]))
        self._at[_ZOOM] = min(65535.0, max(0.0, self._at[_ZOOM]))
