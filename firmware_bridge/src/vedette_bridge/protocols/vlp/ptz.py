"""Channel PTZ: commands to a camera that moves, and where it looks. PROTOCOL.md, section 5.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette_bridge.errors import NotSupportedError
from vedette_bridge.ptz import Drive, Home, MoveBy, MoveTo, Preset, PtzCommand, PtzPosition, Stop
from vedette_bridge.vlp import cbor

STOP, GO_TO, GO_BY, MOVE, RECALL, SAVE, HOME = range(7)
OP, PAN, TILT, ZOOM, PRESET = range(5)
MILLI = 1000


def encode(command: PtzCommand, top_speed_deg_s: float, name: str) -> bytes:
    """The payload of a command; ``name`` is the camera's, for messages.

    Raises
    ------
    NotSupportedError
        The protocol has no such command.
    """
    body: dict[int, int | None]
    match command:
        case MoveTo(pan_deg=pan, tilt_deg=tilt, zoom=zoom, focus=None):
            body = {
                OP: GO_TO,
                PAN: _scaled(pan, MILLI),
                TILT: _scaled(tilt, MILLI),
                ZOOM: _scaled(zoom, MILLI),
            }
        case Drive(pan=pan, tilt=tilt, zoom=zoom, focus=None):
            speed = MILLI * top_speed_deg_s
            body = {
                OP: MOVE,
                PAN: _scaled(pan, speed),
                TILT: _scaled(tilt, speed),
                ZOOM: _scaled(zoom, MILLI),
            }
        case MoveBy(pan_deg=pan, tilt_deg=tilt):
            body = {OP: GO_BY, PAN: _scaled(pan, MILLI), TILT: _scaled(tilt, MILLI)}
        case Stop():
            body = {OP: STOP}
        case Home():
            body = {OP: HOME}
        case Preset(action="recall" | "save" as action, number=number):
            body = {OP: RECALL if action == "recall" else SAVE, PRESET: number}
        case _:
            raise NotSupportedError(f"{name} cannot do {command!r}: the protocol has no such command")
    return cbor.dumps({key: value for key, value in body.items() if value is not None})


def position(data: Mapping[int, Any]) -> PtzPosition:
    """What an event of kind ``ptz`` says."""

    def part(key: int) -> float | None:
        value = data.get(key)
        return value / MILLI if isinstance(value, int) else None

    return PtzPosition(pan_deg=part(PAN), tilt_deg=part(TILT), zoom=part(ZOOM))


def _scaled(value: float | None, scale: float) -> int | None:
    return None if value is None else round(value * scale)
