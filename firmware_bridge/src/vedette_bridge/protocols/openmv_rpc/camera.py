"""An OpenMV camera that runs one of OpenMV's own scripts for remote control, or one of yours."""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vedette_bridge.camera import Camera, CameraFrame, Caps, Parameter, Value
from vedette_bridge.errors import LinkTimeoutError, ParameterError, ProtocolError
from vedette_bridge.jpeg import jpeg_size
from vedette_bridge.port import Port
from vedette_bridge.protocols.openmv_rpc.master import Master
from vedette_bridge.uri import CameraUri, unknown_name

_CHUNK = 4000
"""CRC-16/CCITT finds every error of three bits in up to 4093 bytes, and not even every error of two beyond."""
_LARGEST = 16 << 20
_CHOICES = {
    "pixformat": ("GRAYSCALE", "RGB565"),
    "framesize": (
        "QQVGA",
        "QVGA",
        "VGA",
        "HD",
        "QQCIF",
        "QCIF",
        "CIF",
        "HQVGA",
        "SVGA",
        "XGA",
        "SXGA",
        "UXGA",
    ),
}
_PARAMETERS = {name: Parameter(name=name, choices=choices) for name, choices in _CHOICES.items()}


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """What an address can set. ``timeout_s`` holds for one call, exposure included."""

    baud: int = 115200
    timeout_s: float = 2.0
    pixformat: str = "RGB565"
    framesize: str = "QVGA"


def open_openmv_rpc(uri: CameraUri, options: RpcOptions) -> Camera:
    """Open the port. Nothing is asked of the camera before the first call: the protocol has no greeting."""
    settings = {"pixformat": options.pixformat, "framesize": options.framesize}
    _check(f"openmv camera on {uri.target}", settings)
    return OpenMvRpcCamera(
        Master(Port(uri.port_url, options.baud), options.baud), settings, options.timeout_s
    )


class OpenMvRpcCamera(Camera):
    """Images by OpenMV's script ``image_transfer_jpg_as_the_remote_device``; any function of yours by :meth:`call`."""

    def __init__(self, master: Master, settings: dict[str, str], timeout_s: float) -> None:
        super().__init__(f"openmv camera on {master.port.url}")
        self._master = master
        self._settings = settings
        self._timeout_s = timeout_s
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def call(self, name: str, data: bytes = b"", timeout_s: float | None = None) -> bytes:
        """Call a function that the camera's script registered; what it returned, empty if there is no such function.

        It may be carried out twice if the line loses an acknowledgement.

        Raises
        ------
        LinkTimeoutError
            There was no answer in time.
        """
        with self._lock:
            return self._master.call(name, data, self._timeout_s if timeout_s is None else timeout_s)

    def caps(self) -> Caps:
        return Caps(
            driver="openmv",
            vendor="OpenMV",
            methods=frozenset(("get", "set", "frames")),
            parameters=_PARAMETERS,
            formats=("JPEG",),
        )

    def get(self, *names: str) -> dict[str, Value]:
        for name in names:
            if name not in self._settings:
                raise unknown_name(f"{self.name}: parameter", name, self._settings)
        return {name: self._settings[name] for name in names or self._settings}

    def set(self, **parameters: Value) -> dict[str, Value]:
        """They are sent with the next image."""
        _check(self.name, parameters)
        self._settings.update({name: str(value) for name, value in parameters.items()})
        return parameters

    def frames(self, timeout_s: float = 1.0) -> Iterator[CameraFrame]:
        """Each image is taken when it is asked for, within ``timeout_s``. Its time is the middle of that call."""
        while True:
            yield self._snapshot(timeout_s)

    def stats(self) -> Mapping[str, int]:
        port = self._master.port
        return {**self._master.counters, "received_bytes": port.received_bytes, "sent_bytes": port.sent_bytes}

    def close(self) -> None:
        self._master.port.close()

    def _snapshot(self, timeout_s: float) -> CameraFrame:
        asked = time.monotonic_ns()
        words = f"sensor.{self._settings['pixformat']},sensor.{self._settings['framesize']}"
        answer = self._ask("jpeg_image_snapshot", words.encode(), timeout_s)
        taken = time.monotonic_ns()
        if len(answer) != 4:
            raise ProtocolError(
                f"{self.name}: jpeg_image_snapshot returned {len(answer)} bytes, not the size of an image",
                fix="run OpenMV's image_transfer_jpg_as_the_remote_device script, or one with the same functions",
            )
        data = self._read(int.from_bytes(answer, "little"))
        return CameraFrame(
            data=memoryview(data).toreadonly(),
            fourcc="JPEG",
            size_wh=jpeg_size(data),
            image_id=next(self._numbers),
            t_capture_ns=(asked + taken) // 2,
            uncertainty_ns=(taken - asked + 1) // 2,
            origin="arrival",
        )

    def _ask(self, name: str, data: bytes, timeout_s: float) -> bytes:
        """Call what may be called twice, up to three times: a result that is lost on the line does not come again."""
        deadline = time.monotonic() + timeout_s
        for share in (0.5, 0.5):
            try:
                return self.call(name, data, (deadline - time.monotonic()) * share)
            except LinkTimeoutError:
                self._master.counters["calls_again"] += 1
        return self.call(name, data, deadline - time.monotonic())

    def _read(self, size: int) -> bytes:
        if size > _LARGEST:
            raise ProtocolError(f"{self.name}: an image of {size} bytes")
        data = bytearray()
        while len(data) < size:
            want = min(_CHUNK, size - len(data))
            piece = self._ask("jpeg_image_read", struct.pack("<II", len(data), want), self._timeout_s)
            if len(piece) != want:
                raise ProtocolError(f"{self.name}: jpeg_image_read gave {len(piece)} bytes instead of {want}")
            data += piece
        return bytes(data)


def _check(owner: str, settings: Mapping[str, Value]) -> None:
    for name, value in settings.items():
        if name not in _CHOICES:
            raise unknown_name(f"{owner}: parameter", name, _CHOICES)
        if value not in _CHOICES[name]:
            raise ParameterError(f"{owner}: {name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
