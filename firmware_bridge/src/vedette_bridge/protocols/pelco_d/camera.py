"""A Pelco-D camera behind the face of :class:`~vedette_bridge.camera.Camera`.

Most commands are answered by nothing, so that a camera cannot be told from none. One that answers position queries is
asked where it is; others are driven blindly.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from vedette_bridge.camera import Camera, Caps, Method
from vedette_bridge.errors import LinkTimeoutError, NotSupportedError, ParameterError
from vedette_bridge.port import Port
from vedette_bridge.protocols.pelco_d import frames
from vedette_bridge.ptz import Drive, Home, Move, MoveBy, MoveTo, Preset, PtzCommand, PtzPosition, Stop
from vedette_bridge.uri import CameraUri

_ARRIVED = 20
"""Hundredths of a degree."""
_ZOOM_ARRIVED = 0x200
_POLL_S = 0.05
_FULL = 36000


@dataclass(frozen=True, slots=True)
class PelcoOptions:
    """What an address can set. ``tilt_up`` is the sign of the camera's tilt angle upwards: -1, or 1 for some."""

    baud: int = 2400
    address: int = 1
    timeout_s: float = 0.5
    tilt_up: int = -1


def open_pelco_d(uri: CameraUri, options: PelcoOptions) -> Camera:
    """Open the port, and find out whether the camera answers. One that does not may still be there.

    Raises
    ------
    ParameterError, PortError
    """
    if not 1 <= options.address <= 254 or options.tilt_up not in (-1, 1):
        raise ParameterError("pelco_d: address must be 1 .. 254, and tilt_up 1 or -1")
    port = Port(uri.port_url, options.baud)
    try:
        return PelcoCamera(port, options)
    except BaseException:
        port.close()
        raise


class PelcoCamera(Camera):
    """Pan, tilt, zoom, focus and presets. Pelco-D carries no images and has no parameters."""

    def __init__(self, port: Port, options: PelcoOptions) -> None:
        super().__init__(f"pelco_d camera {options.address} on {port.url}")
        self._port = port
        self._options = options
        self._counters: collections.Counter[str] = collections.Counter()
        self._reader = frames.Reader(self._counters)
        self._lock = threading.Lock()
        self._driven = {"pan": 0.0, "tilt": 0.0, "zoom": 0.0, "focus": 0.0}
        self._answers = self._probe()

    def caps(self) -> Caps:
        methods: set[Method] = {"ptz", "ptz_position"} if self._answers else {"ptz"}
        return Caps(driver="pelco_d", methods=frozenset(methods))

    def ptz(self, command: PtzCommand) -> Move:
        match command:
            case MoveTo():
                return self._go(command)
            case MoveBy(pan_deg=pan, tilt_deg=tilt):
                at = self.ptz_position()
                return self._go(MoveTo(pan_deg=(at.pan_deg or 0) + pan, tilt_deg=(at.tilt_deg or 0) + tilt))
            case Home():
                return self._go(MoveTo(pan_deg=0.0, tilt_deg=0.0))
            case Drive():
                self._drive(command)
            case Stop():
                self._drive(Drive(pan=0.0, tilt=0.0, zoom=0.0, focus=0.0))
            case Preset(action=action, number=number):
                code = {
                    "save": frames.SAVE_PRESET,
                    "clear": frames.CLEAR_PRESET,
                    "recall": frames.RECALL_PRESET,
                }
                self._send(code[action], number)
        return Move()

    def ptz_position(self) -> PtzPosition:
        """Raises ``NotSupportedError`` if the camera did not answer when it was opened."""
        if not self._answers:
            raise self._unable("does not answer position queries")
        pan, tilt, zoom = (self._ask(code) for code in (frames.ASK_PAN, frames.ASK_TILT, frames.ASK_ZOOM))
        return PtzPosition(
            pan_deg=_signed(pan) / 100,
            tilt_deg=self._options.tilt_up * _signed(tilt) / 100,
            zoom=zoom / 0xFFFF,
        )

    def stats(self) -> Mapping[str, int]:
        return {
            **self._counters,
            "received_bytes": self._port.received_bytes,
            "sent_bytes": self._port.sent_bytes,
        }

    def close(self) -> None:
        self._port.close()

    def _go(self, command: MoveTo) -> Move:
        if command.focus is not None:
            raise NotSupportedError(
                f"{self.name} has no focus positions", fix="drive the focus by speed instead"
            )
        targets: dict[int, int] = {}
        if command.pan_deg is not None:
            targets[frames.SET_PAN] = round(command.pan_deg * 100) % _FULL
        if command.tilt_deg is not None:
            targets[frames.SET_TILT] = round(self._options.tilt_up * command.tilt_deg * 100) % _FULL
        if command.zoom is not None:
            targets[frames.SET_ZOOM] = round(command.zoom * 0xFFFF)
        for code, value in targets.items():
            self._send(code, value)
        return Move(partial(self._wait, targets), self._halt) if self._answers else Move(None, self._halt)

    def _wait(self, targets: Mapping[int, int], timeout_s: float) -> None:
        """Ask until it is there: the protocol has no message that says so."""
        deadline = time.monotonic() + timeout_s
        while not all(self._arrived(code, value) for code, value in targets.items()):
            if time.monotonic() > deadline:
                raise LinkTimeoutError(f"{self.name} is not where it was sent after {timeout_s:g} s")
            time.sleep(_POLL_S)

    def _arrived(self, code: int, value: int) -> bool:
        queries = {
            frames.SET_PAN: frames.ASK_PAN,
            frames.SET_TILT: frames.ASK_TILT,
            frames.SET_ZOOM: frames.ASK_ZOOM,
        }
        at = self._ask(queries[code])
        if code == frames.SET_ZOOM:
            return abs(at - value) <= _ZOOM_ARRIVED
        return abs(_signed((at - value) % _FULL)) <= _ARRIVED

    def _halt(self) -> None:
        self._drive(Drive(pan=0.0, tilt=0.0, zoom=0.0, focus=0.0))

    def _drive(self, command: Drive) -> None:
        """One frame for all axes: what is left alone must be repeated."""
        asked = {"pan": command.pan, "tilt": command.tilt, "zoom": command.zoom, "focus": command.focus}
        now = self._driven = {axis: self._driven[axis] if s is None else s for axis, s in asked.items()}
        for code, axis in ((frames.ZOOM_SPEED, "zoom"), (frames.FOCUS_SPEED, "focus")):
            if asked[axis]:
                self._send(code, round(abs(now[axis]) * 3))
        bits = (
            _bit(now["pan"], frames.RIGHT, frames.LEFT)
            | _bit(now["tilt"], frames.UP, frames.DOWN)
            | _bit(now["zoom"], frames.TELE, frames.WIDE)
            | _bit(now["focus"], 0, frames.FAR)
        )
        pan, tilt = (round(abs(now[axis]) * frames.SPEEDS) for axis in ("pan", "tilt"))
        near = frames.NEAR if now["focus"] > 0 else 0
        with self._lock:
            self._port.write(frames.frame(self._options.address, bits, pan, tilt, command_1=near))

    def _send(self, code: int, value: int) -> None:
        with self._lock:
            self._port.write(frames.extended(self._options.address, code, value))

    def _probe(self) -> bool:
        try:
            self._ask(frames.ASK_PAN)
        except LinkTimeoutError:
            return False
        return True

    def _ask(self, code: int) -> int:
        with self._lock:
            self._port.discard_input()
            self._reader.clear()
            self._port.write(frames.extended(self._options.address, code))
            deadline = time.monotonic() + self._options.timeout_s
            while (left := deadline - time.monotonic()) > 0:
                for answer in self._reader.feed(self._port.read(left)):
                    if (answer.address, answer.command) == (self._options.address, code + frames.ANSWER):
                        return answer.value
                    self._counters["other_answers"] += 1
        raise LinkTimeoutError(
            f"{self.name} does not answer query 0x{code:02x} within {self._options.timeout_s:g} s",
            fix="check power, wiring (A and B), the baud rate and the camera's address",
        )


def _bit(speed: float, positive: int, negative: int) -> int:
    return positive if speed > 0 else negative if speed < 0 else 0


def _signed(hundredths: int) -> int:
    """An angle of 0 .. 359.99 degrees as one of -180 .. 179.99."""
    return (hundredths + _FULL // 2) % _FULL - _FULL // 2
