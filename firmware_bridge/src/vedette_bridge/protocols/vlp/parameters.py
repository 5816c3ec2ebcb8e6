"""Parameters of a VLP camera: the names and units of :mod:`vedette_bridge.camera`, and what goes over the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vedette_bridge.camera import Caps, Method, Value
from vedette_bridge.camera import Parameter as Description
from vedette_bridge.errors import ParameterError, ProtocolError
from vedette_bridge.uri import unknown_name
from vedette_bridge.vlp.control import FIRMWARE, MODEL, SERIAL, VENDOR_NAME
from vedette_bridge.vlp.control import Caps as Bits
from vedette_bridge.vlp.events import Up
from vedette_bridge.vlp.rpc import Parameter

NAMES = {
    "exposure_us": Parameter.EXPOSURE_US,
    "gain_q8": Parameter.GAIN_Q8,
    "roi": Parameter.ROI,
    "fps": Parameter.RATE_MHZ,
    "format": Parameter.FORMAT,
    "quality": Parameter.QUALITY,
    "flip": Parameter.FLIP,
    "led": Parameter.LED,
    "gpio": Parameter.GPIO,
    "size": Parameter.SIZE,
}
"""A vendor's parameters are called ``vendor64`` and so on; one pin alone is ``gpio3``."""
UNITS = {"exposure_us": "us", "fps": "Hz", "roi": "px", "size": "px", "gain_q8": "1/256"}
FLIPS = ("none", "h", "v", "hv")
LENGTHS = {"roi": 4, "size": 2}
MILLI = 1000
FIRST_VENDOR = 64


def number_of(name: str) -> int:
    """The parameter on the wire; raises ``ParameterError`` for a name that there is not."""
    if name in NAMES:
        return NAMES[name]
    if (found := re.fullmatch(r"vendor(\d{2,9})", name)) and int(found[1]) >= FIRST_VENDOR:
        return int(found[1])
    raise unknown_name("camera parameter", name, [*NAMES, "vendor64", "gpio0"])


def name_of(number: int) -> str:
    """The name of a parameter of the wire."""
    return next((name for name, known in NAMES.items() if known == number), f"vendor{number}")


def to_wire(parameters: Mapping[str, Value]) -> dict[int, Any]:
    """Arguments of ``set``.

    Raises
    ------
    ParameterError
        There is no such parameter, or its value has the wrong type.
    """
    wire: dict[int, Any] = {}
    for name, value in parameters.items():
        if pin := re.fullmatch(r"gpio(\d{1,3})", name):
            wire.setdefault(Parameter.GPIO, {})[int(pin[1])] = _level(name, value)
        else:
            wire[number_of(name)] = _encode(name, value)
    return wire


def from_wire(wire: Mapping[int, Any]) -> dict[str, Value]:
    """Values of ``get`` and ``set``; raises ``ProtocolError`` for what they cannot be."""
    return {name_of(number): _decode(name_of(number), value) for number, value in wire.items()}


def caps_of(up: Up, answer: Mapping[int, Any]) -> Caps:
    """What the camera is and can do, from what it said when the session began and to ``get_caps``."""
    own = answer.get(0)
    identity: Mapping[int, str] = own if isinstance(own, dict) else up.identity
    ranges = answer.get(1, {})
    formats = answer.get(2, [])
    if not isinstance(ranges, dict) or not isinstance(formats, list):
        raise ProtocolError("get_caps: an answer that is not as the protocol has it")
    extra = {"session": f"{up.session:08x}", "max_payload": str(up.maxpl), "window": str(up.window)}
    if isinstance(size := answer.get(3), list) and len(size) == 2:
        extra["size"] = f"{size[0]} x {size[1]}"
    return Caps(
        driver="vlp",
        vendor=identity.get(VENDOR_NAME, ""),
        model=identity.get(MODEL, ""),
        serial=identity.get(SERIAL, ""),
        firmware=identity.get(FIRMWARE, ""),
        methods=_methods(Bits(up.caps)),
        parameters={name_of(number): _describe(name_of(number), limits) for number, limits in ranges.items()},
        formats=tuple(str(fourcc) for fourcc in formats),
        extra={**extra, "paired": str(up.paired)},
    )


def _methods(bits: Bits) -> frozenset[Method]:
    methods: set[Method] = {"get", "set", "time_offset"}
    if Bits.IMAGES in bits:
        methods |= {"trigger", "frames"}
    if Bits.RESULTS in bits:
        methods.add("send_detections")
    if Bits.PTZ in bits:
        methods |= {"ptz", "ptz_position"}
    return frozenset(methods)


def _describe(name: str, limits: Any) -> Description:
    choices = FLIPS if name == "flip" else ()
    if isinstance(limits, list) and len(limits) == 2 and not choices:
        scale = MILLI if name == "fps" else 1
        low, high = limits[0] / scale, limits[1] / scale
        return Description(name=name, unit=UNITS.get(name, ""), minimum=low, maximum=high)
    return Description(name=name, unit=UNITS.get(name, ""), choices=choices)


def _encode(name: str, value: Value) -> Any:
    if name == "flip":
        if value not in FLIPS:
            raise ParameterError(f"flip must be one of {', '.join(FLIPS)}, not {value!r}")
        return FLIPS.index(value)
    if name == "fps" and isinstance(value, int | float):
        return round(value * MILLI)
    if name == "format" and isinstance(value, str):
        return value.ljust(4)
    if name in LENGTHS:
        if not isinstance(value, tuple | list) or len(value) != LENGTHS[name]:
            raise ParameterError(f"{name} must be {LENGTHS[name]} numbers, not {value!r}")
        return list(value)
    if name == "gpio" and isinstance(value, int):
        return {pin: value >> pin & 1 for pin in range(max(1, value.bit_length()))}
    if name.startswith("vendor"):
        return list(value) if isinstance(value, tuple) else value
    if not isinstance(value, int):
        raise ParameterError(f"{name} must be a whole number, not {value!r}")
    return int(value)


def _level(name: str, value: Value) -> int:
    if value not in (0, 1):
        raise ParameterError(f"{name} must be 0 or 1, not {value!r}")
    return int(value)


def _decode(name: str, value: Any) -> Value:
    match name, value:
        case "flip", int() if 0 <= value < len(FLIPS):
            return FLIPS[value]
        case "fps", int():
            return int(value) / MILLI
        case "gpio", dict():
            return sum(1 << int(pin) for pin, level in value.items() if level and pin < 64)
        case _, list() if all(isinstance(item, int) for item in value):
            return tuple(value)
    if isinstance(value, bool | int | str | bytes):
        return value
    raise ProtocolError(f"a value of parameter {name} that it cannot have: {value!r}")
