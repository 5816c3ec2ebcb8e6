"""A VISCA camera behind the face of :class:`~vedette_bridge.camera.Camera`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from vedette_bridge.camera import Camera, Caps, Value
from vedette_bridge.errors import NotSupportedError, ParameterError, ProtocolError
from vedette_bridge.port import Port
from vedette_bridge.protocols.visca import messages
from vedette_bridge.protocols.visca.parameters import FLIPS, MIRROR, PARAMETERS, SETTINGS, TURN, Step, Word
from vedette_bridge.protocols.visca.pipes import Pipe, SerialPipe, UdpPipe
from vedette_bridge.protocols.visca.session import Sent, Session
from vedette_bridge.ptz import Drive, Home, Move, MoveBy, MoveTo, Preset, PtzCommand, PtzPosition, Stop
from vedette_bridge.uri import CameraUri, unknown_name

UDP_PORT = 52381
_VENDORS = {0x0001: "Sony", 0x0020: "Sony", 0x0220: "PTZOptics"}
_DONE_S = 5.0
"""How long a setting may take; a move says itself how long it is waited for."""


@dataclass(frozen=True, slots=True)
class ViscaOptions:
    """What an address can set. The units of position differ from model to model: see its manual.

    ``steps_per_deg``: 14.4 is right for PTZOptics and its relatives, 13.33 for EVI-D70, 51.2 for SRG-300 and BRC-X.
    ``zoom_tele`` is the position of the longest focal length; ``focus_far`` and ``focus_near`` those of the focus.
    """

    baud: int = 9600
    address: int = 1
    timeout_s: float = 1.0
    steps_per_deg: float = 14.4
    zoom_tele: int = 0x4000
    focus_far: int = 0x1000
    focus_near: int = 0xF000


def open_visca(uri: CameraUri, options: ViscaOptions) -> Camera:
    """Connect over a serial port, over a pyserial URL, or, given a host alone, over UDP.

    Raises
    ------
    ParameterError, PortError
        The address is wrong, or the port cannot be opened.
    LinkTimeoutError
        No camera answers.
    """
    if not 1 <= options.address <= 7:
        raise ParameterError(f"visca: address must be 1 .. 7, not {options.address}")
    pipe: Pipe
    if not uri.local and uri.transport in ("", "udp"):
        pipe = UdpPipe(*uri.host_port(UDP_PORT))
    else:
        pipe = SerialPipe(Port(uri.port_url, options.baud))
    try:
        return ViscaCamera(Session(pipe, options.address, options.timeout_s), options)
    except BaseException:
        pipe.close()
        raise


class ViscaCamera(Camera):
    """Pan, tilt, zoom, focus, presets and settings. VISCA carries no images."""

    def __init__(self, session: Session, options: ViscaOptions) -> None:
        super().__init__(session.name)
        self._session = session
        self._options = options
        self._driven = (0.0, 0.0)
        session.pipe.start()
        session.tell(messages.IF_CLEAR)
        self._caps = self._ask_caps()

    def caps(self) -> Caps:
        return self._caps

    def get(self, *names: str) -> dict[str, Value]:
        for name in names:
            self._check(name)
        return {name: self._get(name) for name in names or PARAMETERS}

    def set(self, **parameters: Value) -> dict[str, Value]:
        bodies = [body for name, value in parameters.items() for body in self._encode(name, value)]
        for body in bodies:
            self._session.wait(self._session.command(body), _DONE_S)
        return parameters

    def ptz(self, command: PtzCommand) -> Move:
        commands = [self._session.command(body) for body in self._bodies(command)]
        return Move(partial(self._wait, commands), partial(self._cancel, commands))

    def ptz_position(self) -> PtzPosition:
        steps, span = self._options.steps_per_deg, self._options.focus_near - self._options.focus_far
        pan, tilt = self._pan_tilt()
        zoom = messages.number(self._session.ask(messages.ASK_ZOOM))
        focus = messages.number(self._session.ask(messages.ASK_FOCUS))
        return PtzPosition(
            pan_deg=pan / steps,
            tilt_deg=tilt / steps,
            zoom=_share(zoom / self._options.zoom_tele),
            focus=_share((focus - self._options.focus_far) / span),
        )

    def stats(self) -> Mapping[str, int]:
        return dict(self._session.pipe.counters)

    def close(self) -> None:
        self._session.pipe.close()

    def _bodies(self, command: PtzCommand) -> list[bytes]:
        match command:
            case MoveTo():
                return self._absolute(command)
            case MoveBy(pan_deg=pan, tilt_deg=tilt, speed=speed):
                return [messages.move(self._steps(pan), self._steps(tilt), speed, relative=True)]
            case Drive():
                return self._drive(command)
            case Stop():
                return self._drive(Drive(pan=0, tilt=0, zoom=0))
            case Home():
                return [messages.HOME]
            case Preset(action=action, number=number):
                if number > 127:
                    raise ParameterError(f"{self.name}: presets are 0 .. 127, not {number}")
                return [messages.preset(action, number)]
        raise NotSupportedError(f"{self.name} cannot do {command!r}")

    def _absolute(self, command: MoveTo) -> list[bytes]:
        bodies = []
        if command.pan_deg is not None or command.tilt_deg is not None:
            pan, tilt = (0, 0) if None not in (command.pan_deg, command.tilt_deg) else self._pan_tilt()
            pan = pan if command.pan_deg is None else self._steps(command.pan_deg)
            tilt = tilt if command.tilt_deg is None else self._steps(command.tilt_deg)
            bodies.append(messages.move(pan, tilt, command.speed, relative=False))
        if command.zoom is not None:
            bodies.append(messages.zoom_to(round(command.zoom * self._options.zoom_tele)))
        if command.focus is not None:
            span = self._options.focus_near - self._options.focus_far
            bodies.append(messages.focus_to(self._options.focus_far + round(command.focus * span)))
        if len(bodies) > 2:
            raise NotSupportedError(
                f"{self.name} carries out two commands at a time",
                fix="move zoom and focus one after the other",
            )
        return bodies

    def _drive(self, command: Drive) -> list[bytes]:
        bodies = []
        if command.pan is not None or command.tilt is not None:
            pan = self._driven[0] if command.pan is None else command.pan
            tilt = self._driven[1] if command.tilt is None else command.tilt
            self._driven = (pan, tilt)  # one message for both axes: what is left alone must be repeated
            bodies.append(messages.drive(pan, tilt))
        if command.zoom is not None:
            bodies.append(messages.drive_zoom(command.zoom))
        if command.focus is not None:
            bodies.append(messages.drive_focus(command.focus))
        return bodies

    def _wait(self, commands: list[Sent], timeout_s: float) -> None:
        for sent in commands:
            self._session.wait(sent, timeout_s)

    def _cancel(self, commands: list[Sent]) -> None:
        for sent in commands:
            self._session.cancel(sent)

    def _steps(self, degrees: float) -> int:
        steps = round(degrees * self._options.steps_per_deg)
        if not -0x8000 <= steps <= 0x7FFF:
            raise ParameterError(
                f"{self.name}: {degrees} degrees are {steps} steps, more than fit the message"
            )
        return steps

    def _pan_tilt(self) -> tuple[int, int]:
        data = self._session.ask(messages.ASK_PAN_TILT)
        if len(data) not in (8, 9, 10):  # newer models give five nibbles to pan, or to both
            raise ProtocolError(f"{self.name}: a position of {len(data)} bytes")
        split = len(data) - len(data) // 2
        return messages.number(data[:split], signed=True), messages.number(data[split:], signed=True)

    def _get(self, name: str) -> Value:
        if name == "flip":
            mirror, turn = self._ask(MIRROR), self._ask(TURN)
            return next((flip for flip, pair in FLIPS.items() if pair == (mirror, turn)), "unknown")
        return self._ask(SETTINGS[name])

    def _ask(self, setting: Word | Step) -> Value:
        return setting.decode(self._session.ask(bytes((messages.INQUIRE, 0x04, setting.code))))

    def _encode(self, name: str, value: Value) -> list[bytes]:
        self._check(name)
        if name == "flip":
            if value not in FLIPS:
                raise ParameterError(f"flip must be one of {', '.join(FLIPS)}, not {value!r}")
            mirror, turn = FLIPS[str(value)]
            return [MIRROR.encode(name, mirror), TURN.encode(name, turn)]
        return [SETTINGS[name].encode(name, value)]

    def _check(self, name: str) -> None:
        if name not in PARAMETERS:
            raise unknown_name(f"{self.name}: parameter", name, PARAMETERS)

    def _ask_caps(self) -> Caps:
        version = self._session.ask(messages.ASK_VERSION)
        if len(version) < 7:
            raise ProtocolError(f"{self.name}: version of {len(version)} bytes instead of 7")
        vendor, model, firmware = (int.from_bytes(version[at : at + 2]) for at in (0, 2, 4))
        return Caps(
            driver="visca",
            vendor=_VENDORS.get(vendor, f"0x{vendor:04x}"),
            model=f"0x{model:04x}",
            firmware=f"0x{firmware:04x}",
            methods=frozenset(("get", "set", "ptz", "ptz_position")),
            parameters=PARAMETERS,
            extra={"sockets": str(version[6])},
        )


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
