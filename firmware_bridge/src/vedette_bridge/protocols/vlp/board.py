"""What is behind an emulated camera's firmware: its parameters with their ranges, and the pictures it sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette_bridge.errors import ParameterError
from vedette_bridge.jpeg import jpeg_size, sample_jpeg
from vedette_bridge.vlp.control import Code
from vedette_bridge.vlp.rpc import Parameter, RpcError

RANGES: dict[int, tuple[int, int]] = {
    Parameter.EXPOSURE_US: (0, 1_000_000),
    Parameter.GAIN_Q8: (0, 4096),
    Parameter.RATE_MHZ: (0, 240_000),
    Parameter.QUALITY: (1, 100),
    Parameter.FLIP: (0, 3),
    Parameter.LED: (0, 255),
}
PINS = 8


class Parameters:
    """Parameters and their values. ``size_wh`` is what the pictures have."""

    def __init__(self, size_wh: tuple[int, int], rate_mhz: int) -> None:
        self.values: dict[int, Any] = {
            Parameter.EXPOSURE_US: 8000,
            Parameter.GAIN_Q8: 256,
            Parameter.ROI: [0, 0, *size_wh],
            Parameter.RATE_MHZ: rate_mhz,
            Parameter.FORMAT: "JPEG",
            Parameter.QUALITY: 80,
            Parameter.FLIP: 0,
            Parameter.LED: 0,
            Parameter.GPIO: dict.fromkeys(range(PINS), 0),
            Parameter.SIZE: list(size_wh),
        }

    def ranges(self) -> dict[int, Any]:
        """As ``get_caps`` tells them."""
        return {number: list(RANGES[number]) if number in RANGES else True for number in self.values}

    def get(self, wanted: Any) -> dict[int, Any]:
        """The values of some; raises ``RpcError``."""
        if not isinstance(wanted, list):
            raise RpcError(Code.INVALID)
        if not all(number in self.values for number in wanted):
            raise RpcError(Code.UNKNOWN)
        return {number: self.values[number] for number in wanted}

    def set(self, given: Mapping[int, Any]) -> dict[int, Any]:
        """Take all or none; the values as they are then. Raises ``RpcError``."""
        taken = {number: self._checked(number, value) for number, value in given.items()}
        self.values |= taken
        return {number: self.values[number] for number in given}

    def _checked(self, number: int, value: Any) -> Any:
        if number not in self.values:
            raise RpcError(Code.UNKNOWN)
        if number in RANGES:
            low, high = RANGES[number]
            if type(value) is not int:
                raise RpcError(Code.INVALID)
            if not low <= value <= high:
                raise RpcError(Code.RANGE)
            return value
        match number, value:
            case Parameter.GPIO, dict():
                if not all(0 <= pin < PINS and level in (0, 1) for pin, level in value.items()):
                    raise RpcError(Code.RANGE)
                return {**self.values[number], **value}
            case Parameter.ROI, [int(x), int(y), int(w), int(h)]:
                full_w, full_h = self.values[Parameter.SIZE]
                if not (0 <= x < x + w <= full_w and 0 <= y < y + h <= full_h):
                    raise RpcError(Code.RANGE)
                return value
            case ((Parameter.FORMAT | Parameter.SIZE), _):
                if value != self.values[number]:
                    raise RpcError(Code.RANGE)
                return value
        raise RpcError(Code.INVALID)


class Pictures:
    """JPEG pictures, in turn: those of a folder, or a moving test card that spells its number."""

    def __init__(self, folder: str, size_wh: tuple[int, int]) -> None:
        self._files = sorted(Path(folder).glob("*.jpg")) if folder else []
        if folder and not self._files:
            raise ParameterError(f"emulator 'vlp': there is no .jpg file in {folder!r}")
        self.size_wh = jpeg_size(self._files[0].read_bytes()) if self._files else size_wh
        self._cards: dict[int, bytes] = {}

    def picture(self, number: int) -> tuple[bytes, tuple[int, int]]:
        """Picture ``number`` and its size."""
        if self._files:
            data = self._files[number % len(self._files)].read_bytes()
            return data, jpeg_size(data)
        turn = number % 16  # drawn once each: an emulator should not be what limits a test
        if turn not in self._cards:
            self._cards[turn] = sample_jpeg(self.size_wh, turn)
        return self._cards[turn], self.size_wh
