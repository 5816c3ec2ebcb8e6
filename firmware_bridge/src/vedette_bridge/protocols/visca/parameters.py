"""The parameters of a VISCA camera: how each is asked for and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vedette_bridge.camera import Parameter, Value
from vedette_bridge.errors import ParameterError
from vedette_bridge.protocols.visca.messages import nibbles, number


@dataclass(frozen=True, slots=True)
class Word:
    """A setting with named values: ``01 04 code value`` sets it, ``09 04 code`` asks for it."""

    code: int
    values: Mapping[str, int]

    def parameter(self, name: str) -> Parameter:
        return Parameter(name=name, choices=tuple(self.values))

    def encode(self, name: str, value: Value) -> bytes:
        if value not in self.values:
            raise ParameterError(f"{name} must be one of {', '.join(self.values)}, not {value!r}")
        return bytes((0x01, 0x04, self.code, self.values[str(value)]))

    def decode(self, data: bytes) -> Value:
        found = [word for word, code in self.values.items() if data == bytes((code,))]
        return found[0] if found else data.hex(" ")


@dataclass(frozen=True, slots=True)
class Step:
    """A position in a table of the camera's: ``01 04 code 00 00 0p 0q``. What it means is in the camera's manual."""

    code: int

    def parameter(self, name: str) -> Parameter:
        return Parameter(name=name, unit="steps", minimum=0, maximum=255)

    def encode(self, name: str, value: Value) -> bytes:
        if type(value) is not int or not 0 <= value <= 255:
            raise ParameterError(f"{name} must be 0 .. 255, not {value!r}")
        return bytes((0x01, 0x04, self.code)) + nibbles(value)

    def decode(self, data: bytes) -> Value:
        return number(data)


_SWITCH = {"on": 0x02, "off": 0x03}

SETTINGS: Mapping[str, Word | Step] = {
    "power": Word(0x00, _SWITCH),
    "focus_mode": Word(0x38, {"auto": 0x02, "manual": 0x03}),
    "exposure_mode": Word(
        0x39, {"auto": 0x00, "manual": 0x03, "shutter": 0x0A, "iris": 0x0B, "bright": 0x0D}
    ),
    "white_balance": Word(
        0x35, {"auto": 0x00, "indoor": 0x01, "outdoor": 0x02, "one_push": 0x03, "manual": 0x05}
    ),
    "shutter_step": Step(0x4A),
    "iris_step": Step(0x4B),
    "gain_step": Step(0x4C),
}
MIRROR, TURN = Word(0x61, _SWITCH), Word(0x66, _SWITCH)
"""The standard parameter ``flip`` is made of these two."""
FLIPS = {"none": ("off", "off"), "h": ("on", "off"), "v": ("off", "on"), "hv": ("on", "on")}
PARAMETERS = {
    **{name: setting.parameter(name) for name, setting in SETTINGS.items()},
    "flip": Parameter(name="flip", choices=tuple(FLIPS)),
}
