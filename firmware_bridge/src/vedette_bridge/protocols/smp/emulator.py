"""A Zephyr device with two firmware slots: the server's side of SMP, written from its specification alone.

Source: Zephyr's documentation of SMP, of its console transport (base64 lines with a CRC-16/XMODEM), and of the groups
os and image.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vedette_bridge.device import Device
from vedette_bridge.protocols.smp import cbor

_EINVAL, _ENOTSUP = 3, 8
"""Errors of the protocol; those of a group are apart."""
_HASH_NOT_FOUND, _INVALID_LENGTH = 8, 21
_LONGEST_LINE = 512
_LARGEST_IMAGE = 1 << 20


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``buffer`` is the largest message that the device takes."""

    buffer: int = 1024
    version: str = "1.0.0"


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The device with its console on a serial line, or on a UDP port."""
    server = SmpServer(options)
    return Datagrams(server) if datagrams else Console(server, options.buffer)


@dataclass(slots=True)
class Slot:
    """A firmware image in flash."""

    data: bytes
    version: str
    confirmed: bool = False
    pending: bool = False
    permanent: bool = False

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()


class SmpServer:
    """Messages in, messages out."""

    def __init__(self, options: EmulatorOptions) -> None:
        self._buffer = options.buffer
        self.slots: list[Slot | None] = [Slot(b"first", options.version, confirmed=True), None]
        self.resets = 0
        self._upload = bytearray()
        self._length = 0
        self._wanted = b""

    def handle(self, message: bytes) -> bytes | None:
        """The answer; ``None`` to what is no request."""
        if len(message) < 8:
            return None
        head, flags, size, group, sequence, command = struct.unpack(">BBHHBB", message[:8])
        if size != len(message) - 8 or head & 7 not in (0, 2):
            return None
        version, writes = head >> 3 & 3, head & 7 == 2
        try:
            request = cbor.decode(message[8:]) if size else {}
            result = self._result(group, command, writes, request if isinstance(request, dict) else {})
        except (ValueError, TypeError):
            result = _EINVAL
        if isinstance(result, int):
            result = {"rc": result}
        body = cbor.encode(result)
        return (
            struct.pack(">BBHHBB", (head & 7) + 1 | version << 3, flags, len(body), group, sequence, command)
            + body
        )

    def _result(
        self, group: int, command: int, writes: bool, request: dict[Any, Any]
    ) -> dict[str, Any] | int:
        handlers: dict[tuple[int, int, bool], Callable[[dict[Any, Any]], dict[str, Any] | int]] = {
            (0, 0, True): lambda given: {"r": given["d"]} if isinstance(given.get("d"), str) else _EINVAL,
            (0, 5, True): self._reset,
            (0, 6, False): lambda _: {"buf_size": self._buffer, "buf_count": 4},
            (1, 0, False): lambda _: self._states(),
            (1, 0, True): self._mark,
            (1, 1, True): self._receive,
        }
        handler = handlers.get((group, command, writes))
        return handler(request) if handler else _ENOTSUP

    def _reset(self, _: dict[Any, Any]) -> dict[str, Any]:
        """MCUboot: a pending image is started; one that ran without being confirmed is taken back."""
        self.resets += 1
        first, second = self.slots
        if second is not None and (second.pending or (first is not None and not first.confirmed)):
            self.slots.reverse()
            if (running := self.slots[0]) is not None:
                running.confirmed = running.confirmed or running.permanent
                running.pending = False
        return {}

    def _states(self) -> dict[str, Any]:
        def entry(number: int, slot: Slot) -> dict[str, Any]:
            return {
                "image": 0,
                "slot": number,
                "version": slot.version,
                "hash": slot.digest,
                "bootable": True,
                "pending": slot.pending,
                "confirmed": slot.confirmed,
                "active": number == 0,
                "permanent": slot.permanent,
            }

        return {
            "images": [entry(number, slot) for number, slot in enumerate(self.slots) if slot],
            "splitStatus": 0,
        }

    def _mark(self, request: dict[Any, Any]) -> dict[str, Any] | int:
        digest, confirm = request.get("hash"), request.get("confirm") is True
        first, second = self.slots
        if digest is None and confirm and first is not None:
            first.confirmed = True
        elif second is not None and digest == second.digest:
            second.pending, second.permanent = True, confirm
        else:
            return {"err": {"group": 1, "rc": _HASH_NOT_FOUND}}
        return self._states()

    def _receive(self, request: dict[Any, Any]) -> dict[str, Any] | int:
        offset, data = request.get("off"), request.get("data")
        if not isinstance(offset, int) or not isinstance(data, bytes):
            return _EINVAL
        if offset == 0:
            length, wanted = request.get("len"), request.get("sha", b"")
            if not isinstance(length, int) or not isinstance(wanted, bytes):
                return _EINVAL
            if not 0 < length <= _LARGEST_IMAGE:
                return {"err": {"group": 1, "rc": _INVALID_LENGTH}}
            self._upload, self._length, self._wanted = bytearray(), length, wanted
        if offset != len(self._upload):
            return {"off": len(self._upload)}  # go on from there
        if len(self._upload) + len(data) > self._length:
            return _EINVAL
        self._upload += data
        if len(self._upload) < self._length:
            return {"off": len(self._upload)}
        self.slots[1] = Slot(bytes(self._upload), "0.0.0+uploaded")
        matches = not self._wanted or hashlib.sha256(self._upload).digest() == self._wanted
        return {"off": self._length, "match": matches}


class Datagrams:
    """One message per datagram."""

    def __init__(self, server: SmpServer) -> None:
        self._server = server

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        answer = self._server.handle(data)
        return [answer] if answer is not None else []

    def tick(self, now_ns: int) -> Iterable[bytes]:
        return ()

    def disconnected(self) -> None:
        """There is no connection."""


class Console:
    """Lines among whatever else is on the console: ``06 09`` begins a message, ``04 14`` goes on with it."""

    def __init__(self, server: SmpServer, buffer: int) -> None:
        self._server = server
        self._buffer = buffer
        self._line = b""
        self._message: bytearray | None = None

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-_LONGEST_LINE:]
        for line in lines:
            answer = self._take(line)
            if answer is not None:
                yield from _lines(answer)

    def tick(self, now_ns: int) -> Iterable[bytes]:
        return ()

    def disconnected(self) -> None:
        self._line, self._message = b"", None

    def _take(self, line: bytes) -> bytes | None:
        start = line.find(b"\x06\x09")
        try:
            if start >= 0:
                self._message = bytearray(base64.b64decode(line[start + 2 :], validate=True))
            elif line.startswith(b"\x04\x14") and self._message is not None:
                self._message += base64.b64decode(line[2:], validate=True)
            else:
                return None
        except binascii.Error:
            self._message = None
            return None
        if len(self._message) < 2:
            return None
        size = int.from_bytes(self._message[:2])
        if size > self._buffer or size < 2:
            self._message = None
            return None
        if len(self._message) < 2 + size:
            return None
        whole, self._message = bytes(self._message[2 : 2 + size]), None
        sound = binascii.crc_hqx(whole[:-2], 0) == int.from_bytes(whole[-2:])
        return self._server.handle(whole[:-2]) if sound else None


def _lines(message: bytes) -> Iterable[bytes]:
    body = message + struct.pack(">H", binascii.crc_hqx(message, 0))
    text = base64.b64encode(struct.pack(">H", len(body)) + body)
    for at in range(0, len(text), 124):
        yield (b"\x04\x14" if at else b"\x06\x09") + text[at : at + 124] + b"\n"
