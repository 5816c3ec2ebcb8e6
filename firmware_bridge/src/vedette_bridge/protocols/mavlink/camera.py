"""A MAVLink camera (camera protocol v2) and its gimbal (gimbal protocol v2). MAVLink carries no pixels."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vedette_bridge.camera import Camera, Caps, Method, TimeOffset
from vedette_bridge.errors import LinkTimeoutError, NotSupportedError, ParameterError
from vedette_bridge.port import Port
from vedette_bridge.protocols.mavlink.link import GROUND_STATION, MavLink, Pipe, UdpPipe, load_dialect
from vedette_bridge.ptz import Drive, Home, Move, MoveBy, MoveTo, Preset, PtzCommand, PtzPosition, Stop
from vedette_bridge.uri import CameraUri

UDP_PORT = 14550
_CAMERAS = range(100, 106)
_REQUEST_MESSAGE, _START_CAPTURE, _ZOOM, _FOCUS = 512, 2000, 531, 532
_GIMBAL_PITCHYAW, _GIMBAL_CONFIGURE = 1000, 1001
_CONTINUOUS, _SHARE = 1, 2
_CAMERA_INFORMATION, _CAMERA_SETTINGS, _GIMBAL_INFORMATION, _GIMBAL_ATTITUDE = 259, 260, 280, 285
_CAN_CAPTURE, _CAN_ZOOM, _CAN_FOCUS = 2, 64, 128
_YAW_TO_VEHICLE = 32
_NAN = math.nan
_ARRIVED_DEG = 0.5


@dataclass(frozen=True, slots=True)
class MavLinkOptions:
    """``system`` and ``component`` 0: the first camera that is heard. ``gimbal`` is the component that moves it.

    ``key`` is a signing key (64 hexadecimal digits) or a passphrase; ``env:NAME`` takes it from the environment. With a
    key every message is signed, and unsigned ones are refused. ``turn_deg_s`` is what a speed of 1 means.
    """

    baud: int = 57600
    system: int = 0
    component: int = 0
    gimbal: int = 154
    timeout_s: float = 3.0
    turn_deg_s: float = 60.0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Captured:
    """One image that the camera took and kept: where it is, and when it was taken by the camera's clock, in ms."""

    index: int
    time_boot_ms: int
    url: str
    ok: bool


def open_mavlink(uri: CameraUri, options: MavLinkOptions) -> Camera:
    """Connect over a serial port, a pyserial URL, or UDP (``mavlink+udp`` listens, ``mavlink`` with a host calls).

    Raises
    ------
    DriverError
        pymavlink is not installed.
    LinkTimeoutError
        No camera is heard.
    """
    load_dialect()
    key = options.key
    if key.startswith("env:"):
        key = os.environ.get(key[4:], "")
        if not key:
            raise ParameterError(f"mavlink: the environment variable {options.key[4:]} is not set")
    pipe: Pipe
    if uri.local or uri.transport not in ("", "udp"):
        pipe = Port(uri.port_url, options.baud)
    else:
        pipe = UdpPipe(uri.host_port(UDP_PORT), listen=uri.transport == "udp")
    try:
        return MavLinkCamera(MavLink(pipe, f"mavlink camera on {uri.target}", key), options)
    except BaseException:
        pipe.close()
        raise


class MavLinkCamera(Camera):
    """Triggers, moves, zooms; says where images are kept. It sends none."""

    def __init__(self, link: MavLink, options: MavLinkOptions) -> None:
        super().__init__(link.name)
        self._link = link
        self._options = options
        self._captures = itertools.count(1)
        self._camera = self._find_camera()
        information = self._request(self._camera, _CAMERA_INFORMATION, "CAMERA_INFORMATION")
        self._flags = int(information.flags)
        self._gimbal = (self._camera[0], options.gimbal)
        self._moves = self._find_gimbal()
        self._caps = self._read_caps(information)

    def caps(self) -> Caps:
        return self._caps

    def trigger(self) -> None:
        """The image stays in the camera: :meth:`captured` says where."""
        self._require(_CAN_CAPTURE, "takes no images")
        self._link.command(self._camera, _START_CAPTURE, 0, 0, 1, next(self._captures))

    def captured(self, timeout_s: float = 5.0) -> Captured:
        """The next image that the camera reports. A report that came while nobody waited counts, too, once.

        Raises
        ------
        LinkTimeoutError
            It reports none in time.
        """
        key = ("CAMERA_IMAGE_CAPTURED", self._camera[1])
        with self._link.lock:
            report = self._link.latest.pop(key, None)
        if report is None:
            report = self._link.wait(lambda m: (m.get_type(), m.get_srcComponent()) == key, timeout_s)
            self._link.latest.pop(key, None)
        if report is None:
            raise LinkTimeoutError(f"{self.name} reports no image within {timeout_s:g} s")
        return Captured(
            report.image_index, report.time_boot_ms, _text(report.file_url), report.capture_result == 1
        )

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
                self._drive(Drive(pan=0.0, tilt=0.0, zoom=0.0 if self._flags & _CAN_ZOOM else None))
            case Preset():
                raise NotSupportedError(f"{self.name}: MAVLink has no presets")
        return Move()

    def ptz_position(self) -> PtzPosition:
        pan, tilt = self._angles() if self._moves else (None, None)
        if not self._flags & (_CAN_ZOOM | _CAN_FOCUS):
            return PtzPosition(pan_deg=pan, tilt_deg=tilt)
        settings = self._request(self._camera, _CAMERA_SETTINGS, "CAMERA_SETTINGS")
        zoom, focus = (_share(level) for level in (settings.zoomLevel, settings.focusLevel))
        return PtzPosition(pan_deg=pan, tilt_deg=tilt, zoom=zoom, focus=focus)

    def time_offset(self) -> TimeOffset:
        """By eight TIMESYNC exchanges, of which the quickest counts."""
        best: tuple[int, int] | None = None
        for _ in range(8):
            sent = time.monotonic_ns()
            with self._link.lock:
                self._link.encode.timesync_send(0, sent)
                answer = self._link.wait(partial(_answers_sync, sent), self._options.timeout_s / 4)
            if answer is not None:
                round_trip = time.monotonic_ns() - sent
                best = min(best or (round_trip, 0), (round_trip, answer.tc1 - sent - round_trip // 2))
        if best is None:
            raise LinkTimeoutError(f"{self.name} does not answer TIMESYNC")
        return TimeOffset(offset_ns=best[1], uncertainty_ns=best[0] // 2 + 1)

    def stats(self) -> Mapping[str, int]:
        return dict(self._link.counters)

    def close(self) -> None:
        self._link.close()

    def _find_camera(self) -> tuple[int, int]:
        def suits(message: Any) -> bool:
            system, component = message.get_srcSystem(), message.get_srcComponent()
            camera = (
                component == self._options.component if self._options.component else component in _CAMERAS
            )
            return message.get_type() == "HEARTBEAT" and camera and self._options.system in (0, system)

        heartbeat = self._link.wait(suits, self._options.timeout_s)
        if heartbeat is None:
            raise LinkTimeoutError(
                f"{self.name}: no heartbeat of a camera within {self._options.timeout_s:g} s",
                fix="check the baud rate, the ids, and the signing key: with a key, unsigned messages are refused",
            )
        return heartbeat.get_srcSystem(), heartbeat.get_srcComponent()

    def _find_gimbal(self) -> bool:
        try:
            self._request(self._gimbal, _GIMBAL_INFORMATION, "GIMBAL_MANAGER_INFORMATION")
            # Take control, as the protocol wants it: -1 leaves the secondary controller as it is.
            self._link.command(self._gimbal, _GIMBAL_CONFIGURE, GROUND_STATION, 191, -1, -1)
        except (LinkTimeoutError, NotSupportedError):
            return False
        return True

    def _request(self, target: tuple[int, int], number: int, name: str) -> Any:
        """Have a component send one message.

        Raises
        ------
        LinkTimeoutError
            It does not come.
        """
        key = (name, target[1])
        with self._link.lock:
            self._link.latest.pop(key, None)
            self._link.command(target, _REQUEST_MESSAGE, number, timeout_s=self._options.timeout_s / 4)
            if key not in self._link.latest:
                self._link.wait(
                    lambda m: (m.get_type(), m.get_srcComponent()) == key, self._options.timeout_s
                )
            message = self._link.latest.pop(key, None)
        if message is None:
            raise LinkTimeoutError(f"{self.name} does not send {name}")
        return message

    def _go(self, command: MoveTo) -> Move:
        turns = command.pan_deg is not None or command.tilt_deg is not None
        if turns:
            self._require_gimbal()
            pitch = _NAN if command.tilt_deg is None else command.tilt_deg
            yaw = _NAN if command.pan_deg is None else command.pan_deg
            self._link.command(self._gimbal, _GIMBAL_PITCHYAW, pitch, yaw, _NAN, _NAN, _YAW_TO_VEHICLE)
        if command.zoom is not None:
            self._require(_CAN_ZOOM, "has no zoom")
            self._link.command(self._camera, _ZOOM, _SHARE, command.zoom * 100)
        if command.focus is not None:
            self._require(_CAN_FOCUS, "has no focus to set")
            self._link.command(self._camera, _FOCUS, _SHARE, command.focus * 100)
        return Move(partial(self._wait, command), self._halt) if turns else Move()

    def _drive(self, command: Drive) -> None:
        if command.pan is not None or command.tilt is not None:
            self._require_gimbal()
            tilt, pan = (
                _NAN if speed is None else speed * self._options.turn_deg_s
                for speed in (command.tilt, command.pan)
            )
            self._link.command(self._gimbal, _GIMBAL_PITCHYAW, _NAN, _NAN, tilt, pan, _YAW_TO_VEHICLE)
        if command.zoom is not None:
            self._require(_CAN_ZOOM, "has no zoom")
            self._link.command(self._camera, _ZOOM, _CONTINUOUS, command.zoom)
        if command.focus is not None:
            self._require(_CAN_FOCUS, "has no focus to drive")
            self._link.command(self._camera, _FOCUS, _CONTINUOUS, command.focus)

    def _halt(self) -> None:
        self._drive(Drive(pan=0.0, tilt=0.0))

    def _wait(self, command: MoveTo, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            pan, tilt = self._angles()
            wanted = ((pan, command.pan_deg), (tilt, command.tilt_deg))
            if all(goal is None or abs((at - goal + 180) % 360 - 180) <= _ARRIVED_DEG for at, goal in wanted):
                return
            if time.monotonic() > deadline:
                raise LinkTimeoutError(f"{self.name} is not where it was sent after {timeout_s:g} s")
            time.sleep(0.02)

    def _angles(self) -> tuple[float, float]:
        """Yaw and pitch in degrees, from the quaternion (w, x, y, z) of the gimbal's attitude."""
        w, x, y, z = self._request(self._gimbal, _GIMBAL_ATTITUDE, "GIMBAL_DEVICE_ATTITUDE_STATUS").q
        pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
        yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        return math.degrees(yaw), math.degrees(pitch)

    def _require(self, flag: int, what: str) -> None:
        if not self._flags & flag:
            raise self._unable(what)

    def _require_gimbal(self) -> None:
        if not self._moves:
            raise self._unable("has no gimbal that answers")

    def _read_caps(self, information: Any) -> Caps:
        methods: set[Method] = {"time_offset"}
        if self._flags & _CAN_CAPTURE:
            methods.add("trigger")
        if self._moves or self._flags & (_CAN_ZOOM | _CAN_FOCUS):
            methods |= {"ptz", "ptz_position"}
        version = information.firmware_version.to_bytes(4, "little")
        return Caps(
            driver="mavlink",
            vendor=_text(bytes(information.vendor_name)),
            model=_text(bytes(information.model_name)),
            firmware=".".join(map(str, version)),
            methods=frozenset(methods),
            extra={
                "resolution": f"{information.resolution_h} x {information.resolution_v}",
                "focal_length_mm": f"{information.focal_length:g}",
                "system": str(self._camera[0]),
                "component": str(self._camera[1]),
                "flags": f"0x{self._flags:x}",
            },
        )


def _answers_sync(sent: int, message: Any) -> bool:
    return bool(message.get_type() == "TIMESYNC" and message.tc1 and message.ts1 == sent)


def _share(percent: float) -> float | None:
    return None if math.isnan(percent) else min(1.0, max(0.0, percent / 100))


def _text(raw: bytes | str) -> str:
    text = raw if isinstance(raw, str) else raw.decode("utf-8", errors="replace")
    return text.partition("\0")[0]
