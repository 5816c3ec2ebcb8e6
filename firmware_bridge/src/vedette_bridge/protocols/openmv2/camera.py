"""An OpenMV camera over protocol version 2: its images, its script, what it prints, and its channels."""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vedette_bridge.camera import Camera, CameraFrame, Caps
from vedette_bridge.errors import DeviceError, LinkTimeoutError, ParameterError, ProtocolError
from vedette_bridge.port import Port
from vedette_bridge.protocols.openmv2.session import Opcode, Session
from vedette_bridge.uri import CameraUri

_STOP, _EXEC, _CLEAR = 1, 2, 3
_STREAM_ON, _STREAM_RAW = 0, 1
_FOURCC = {0x06060000: "JPEG", 0x08020001: "GREY", 0x0C030002: "RGBP"}
_IMAGE = struct.Struct("<5I")
"""Width, height, pixel format, size, offset of the pixels."""
_LARGEST_IMAGE = 16 << 20
_LOCK_INTERVAL_S = 0.01
"""The camera refuses to be asked more often."""


@dataclass(frozen=True, slots=True)
class OpenMv2Options:
    """``timeout_s`` holds for one answer. The camera itself repeats what is lost after 0.5 s."""

    baud: int = 921600
    timeout_s: float = 1.5


def open_openmv2(uri: CameraUri, options: OpenMv2Options) -> Camera:
    """Open the port and synchronise.

    Raises
    ------
    LinkTimeoutError
        No camera answers.
    """
    port = Port(uri.port_url, options.baud)
    try:
        return OpenMv2Camera(Session(port, options.timeout_s))
    except BaseException:
        port.close()
        raise


class OpenMv2Camera(Camera):
    """Images are what the running script shows; :meth:`exec_script` gives it another one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.name)
        self._session = session
        self._numbers = itertools.count()
        self._images = threading.Lock()
        self._streaming = False
        self._emptied_ns = time.monotonic_ns()
        self._caps = self._ask_caps()
        self._channels = self._ask_channels()

    def caps(self) -> Caps:
        return self._caps

    def frames(self, timeout_s: float = 1.0) -> Iterator[CameraFrame]:
        """Images that the script shows. ``t_capture_ns`` is when one was shown: after the one before was fetched."""
        while True:
            deadline = time.monotonic() + timeout_s
            with self._images:
                while (frame := self._fetch()) is None:
                    if time.monotonic() > deadline:
                        raise LinkTimeoutError(
                            f"{self.name} showed no image for {timeout_s:g} s",
                            fix="is a script running that takes some?",
                        )
                    time.sleep(_LOCK_INTERVAL_S)
            yield frame

    def exec_script(self, script: str) -> None:
        """Stop the running script and run this one (MicroPython)."""
        stdin = self._channel("stdin")
        self._ioctl(stdin, _CLEAR)
        self.channel_write("stdin", script.encode())
        self._ioctl(stdin, _EXEC)

    def stop_script(self) -> None:
        """Stop the running script."""
        self._ioctl(self._channel("stdin"), _STOP)

    def script_running(self) -> bool:
        """Whether a script runs now."""
        (ready,) = struct.unpack("<I", self._session.request(Opcode.POLL)[:4])
        return bool(ready >> self._channel("stdin") & 1)

    def read_stdout(self) -> str:
        """What the script has printed since the last call; the camera keeps the last kilobyte."""
        return self.channel_read("stdout").decode("utf-8", errors="replace")

    def channels(self) -> Mapping[str, int]:
        """Names and numbers of the channels, those that the script registered included."""
        self._channels = self._ask_channels()
        return dict(self._channels)

    def channel_read(self, name: str) -> bytes:
        """Everything that a channel holds."""
        channel = self._channel(name)
        size = self._size(channel)
        return self._read(channel, size) if size else b""

    def channel_write(self, name: str, data: bytes) -> None:
        """Write to a channel."""
        channel, step = self._channel(name), self._session.max_payload - 8
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            self._session.request(Opcode.WRITE, channel, struct.pack("<II", at, len(piece)) + piece)

    def reset(self) -> None:
        """Restart the camera. The port vanishes with it, where it is USB."""
        self._session.tell(Opcode.RESET)

    def stats(self) -> Mapping[str, int]:
        port = self._session.port
        return {
            **self._session.counters,
            "received_bytes": port.received_bytes,
            "sent_bytes": port.sent_bytes,
        }

    def close(self) -> None:
        self._session.port.close()

    def _fetch(self) -> CameraFrame | None:
        stream = self._channel("stream")
        if not self._streaming:
            self._ioctl(stream, _STREAM_RAW, 0)
            self._ioctl(stream, _STREAM_ON, 1)
            self._streaming = True
        try:
            self._session.request(Opcode.LOCK, stream)
        except DeviceError as error:
            if error.code == "BUSY":
                return None
            raise
        generation, before, locked = self._session.generation, self._emptied_ns, time.monotonic_ns()
        size = self._size(stream)
        data = self._read(stream, size) if size > _IMAGE.size else b""
        self._session.request(Opcode.UNLOCK, stream)
        self._emptied_ns = time.monotonic_ns()
        if not data or generation != self._session.generation:
            self._session.counters["torn_images"] += bool(
                data
            )  # another may have been written over it meanwhile
            return None
        return self._frame(data, before, locked)

    def _frame(self, data: bytes, before: int, locked: int) -> CameraFrame:
        w, h, pixels, size, offset = _IMAGE.unpack_from(data)
        if not _IMAGE.size <= offset <= len(data) or not 0 < w <= 65535 or not 0 < h <= 65535:
            raise ProtocolError(
                f"{self.name}: an image of {w} x {h} pixels that begins at {offset} of {len(data)} bytes"
            )
        fourcc = _FOURCC.get(pixels, f"{pixels:08x}")
        body = memoryview(data)[offset:]
        if fourcc == "JPEG" and 0 < size < len(body):
            body = body[:size]  # the rest is padding
        return CameraFrame(
            data=body,
            fourcc=fourcc,
            size_wh=(w, h),
            image_id=next(self._numbers),
            t_capture_ns=(before + locked) // 2,
            uncertainty_ns=(locked - before + 1) // 2,
            origin="arrival",
        )

    def _channel(self, name: str) -> int:
        if name not in self._channels:
            self._channels = self._ask_channels()
        if name not in self._channels:
            raise ParameterError(
                f"{self.name} has no channel {name!r}", fix=f"it has {', '.join(sorted(self._channels))}"
            )
        return self._channels[name]

    def _size(self, channel: int) -> int:
        (size,) = struct.unpack("<I", self._session.request(Opcode.SIZE, channel)[:4])
        if size > _LARGEST_IMAGE:
            raise ProtocolError(f"{self.name}: channel {channel} claims {size} bytes")
        return int(size)

    def _read(self, channel: int, size: int) -> bytes:
        data = self._session.request(Opcode.READ, channel, struct.pack("<II", 0, size))
        if len(data) != size:
            raise ProtocolError(f"{self.name}: {len(data)} bytes instead of {size} from channel {channel}")
        return data

    def _ioctl(self, channel: int, request: int, *arguments: int) -> None:
        data = struct.pack(f"<{1 + len(arguments)}I", request, *arguments)
        self._session.request(Opcode.IOCTL, channel, data)

    def _ask_channels(self) -> dict[str, int]:
        data = self._session.request(Opcode.LIST)
        entries = struct.iter_unpack("<BB14s", data[: len(data) // 16 * 16])
        return {raw.split(b"\0")[0].decode("utf-8", errors="replace"): number for number, _, raw in entries}

    def _ask_caps(self) -> Caps:
        version = self._session.request(Opcode.VERSION)
        info = self._session.request(Opcode.SYSTEM_INFO)
        if len(version) < 9 or len(info) < 16:
            raise ProtocolError(f"{self.name} does not say what it is")
        protocol, boot, firmware = (".".join(map(str, version[at : at + 3])) for at in (0, 3, 6))
        return Caps(
            driver="openmv2",
            vendor="OpenMV",
            model=f"cpu 0x{int.from_bytes(info[:4], 'little'):08x}",
            serial="".join(f"{word:08x}" for word in struct.unpack("<3I", info[4:16])),
            firmware=firmware,
            methods=frozenset(("frames",)),
            formats=("JPEG", "GREY", "RGBP"),
            extra={"protocol": protocol, "bootloader": boot, "max_payload": str(self._session.max_payload)},
        )
