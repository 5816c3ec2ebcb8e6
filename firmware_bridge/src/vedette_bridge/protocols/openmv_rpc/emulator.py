"""An OpenMV camera that runs ``image_transfer_jpg_as_the_remote_device``: the called side of the RPC protocol.

Written from the module's description and sharing nothing with the driver. Like the camera, it gives up on a packet that
stands still, and on a caller that does not fetch a result.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vedette_bridge.device import Device
from vedette_bridge.errors import ParameterError
from vedette_bridge.jpeg import sample_jpeg

_PATIENCE_NS = 50_000_000
_RESULT_NS = 1_000_000_000
_SIZES = {"QQVGA": (160, 120), "QVGA": (320, 240), "VGA": (640, 480), "HD": (1280, 720)}
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``images`` is a folder of ``.jpg`` files, shown in turn; without it the camera shows a test card."""

    images: str = ""


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The camera, with its script running."""
    files = sorted(Path(options.images).glob("*.jpg")) if options.images else []
    if options.images and not files:
        raise ParameterError(f"emulator 'openmv': no .jpg file in {options.images!r}")
    return RpcDevice(Script(files).functions())


class Script:
    """What the camera's script registers."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._taken = 0
        self._image = b""

    def functions(self) -> dict[str, Callable[[bytes], bytes]]:
        return {
            "jpeg_image_snapshot": self.snapshot,
            "jpeg_image_read": self.read,
            "echo": lambda data: data,
        }

    def snapshot(self, data: bytes) -> bytes:
        _, _, framesize = data.decode().partition("sensor.")[2].partition("sensor.")
        if self._files:
            self._image = self._files[self._taken % len(self._files)].read_bytes()
        else:
            self._image = sample_jpeg(_SIZES.get(framesize, (320, 240)), self._taken)
        self._taken += 1
        return struct.pack("<L", len(self._image))

    def read(self, data: bytes) -> bytes:
        if len(data) != 8:
            return b""
        start, count = struct.unpack("<LL", data)
        return self._image[start : start + count]


class RpcDevice:
    """The protocol: waits for one packet after the other, and begins anew when one does not come."""

    def __init__(self, functions: dict[str, Callable[[bytes], bytes]]) -> None:
        self._functions = {_name_hash(name): function for name, function in functions.items()}
        self._buffer = bytearray()
        self._heard = self._since = 0
        self._await_command()

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        self._tidy(now_ns)
        self._heard = now_ns
        self._buffer += data
        while (payload := self._next_packet()) is not None:
            yield from self._step(payload, now_ns)

    def tick(self, now_ns: int) -> Iterable[bytes]:
        self._tidy(now_ns)
        return ()

    def disconnected(self) -> None:
        self._buffer.clear()
        self._await_command()

    def _tidy(self, now_ns: int) -> None:
        if self._buffer and now_ns - self._heard > _PATIENCE_NS:
            self._buffer.clear()
            if self._magic == b"\xd1\xab":
                self._await_command()
        if self._magic in (b"\x21\x90", b"\xba\x1d") and now_ns - self._since > _RESULT_NS:
            self._await_command()

    def _await_command(self) -> None:
        self._expect(b"\x09\x12", 8)

    def _expect(self, magic: bytes, size: int) -> None:
        self._magic, self._size = magic, size

    def _next_packet(self) -> bytes | None:
        """The payload of the expected packet; what is before it, or damaged, is thrown away."""
        while len(self._buffer) >= self._size + 4:
            if self._buffer.startswith(self._magic):
                body, check = self._buffer[: self._size + 2], self._buffer[self._size + 2 : self._size + 4]
                if _crc(body) == struct.unpack("<H", check)[0]:
                    del self._buffer[: self._size + 4]
                    return bytes(body[2:])
            elif self._magic in (b"\x21\x90", b"\xba\x1d") and bytes(self._buffer[:2]) in (
                b"\x09\x12",
                b"\x21\x90",
            ):
                if self._buffer.startswith(b"\x09\x12"):
                    self._await_command()  # the caller gave up, and calls anew
                else:
                    self._expect(b"\x21\x90", 0)  # it did not get our header
                continue
            del self._buffer[0]
        return None

    def _step(self, payload: bytes, now_ns: int) -> Iterable[bytes]:
        if self._magic == b"\x09\x12":
            self._command, size = struct.unpack("<LL", payload)
            if size <= _LARGEST:
                self._expect(b"\xd1\xab", size)
                yield _sealed(b"\x09\x12")
        elif self._magic == b"\xd1\xab":
            yield _sealed(b"\xd1\xab")
            function = self._functions.get(self._command)
            self._result = function(payload) if function else b""
            self._since = now_ns
            self._expect(b"\x21\x90", 0)
        elif self._magic == b"\x21\x90":
            self._expect(b"\xba\x1d", 0)
            yield _sealed(b"\x21\x90" + struct.pack("<L", len(self._result)))
        else:
            self._await_command()
            yield _sealed(b"\xba\x1d" + self._result)


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<H", _crc(body))


def _crc(data: bytes | bytearray) -> int:
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register


def _name_hash(name: str) -> int:
    value = 5381
    for character in name:
        value = ((value << 5) + value ^ ord(character)) % 2**32
    return value
