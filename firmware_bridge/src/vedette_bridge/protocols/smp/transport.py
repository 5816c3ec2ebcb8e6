"""Transports for smpclient: the console framing over one of our ports, and UDP at any port number.

smpclient brings a serial transport of its own; it keeps whatever arrives, cannot say why a port does not open, and
knows no pyserial URLs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import collections
from typing import Any

from vedette_bridge.port import Port

_BEGIN, _GO_ON = b"\x06\x09", b"\x04\x14"
_LINE = 124
"""Base64 characters per line: 93 bytes."""
_LONGEST_LINE = 1024
_LARGEST = 1 << 16
_SMALLEST_BUFFER = 96
"""What a server takes that has not said how much it takes."""


class ConsoleTransport:
    """What smpclient calls a transport, on a serial port or anything else that pyserial opens.

    A message goes as its length, itself and a CRC-16/XMODEM, in base64, in lines that say whether they begin or go on.
    Anything else on the line, such as a device's log, is passed over and counted.
    """

    def __init__(self, port: Port) -> None:
        self.counters: collections.Counter[str] = collections.Counter()
        self._port = port
        self._room = _SMALLEST_BUFFER
        self._line = bytearray()
        self._message = bytearray()

    async def connect(self, address: str, timeout_s: float) -> None:
        """The port is open already; what came before is not for us."""
        self._port.discard_input()

    async def disconnect(self) -> None:
        self._port.close()

    async def send(self, data: bytes) -> None:
        text = base64.b64encode((len(data) + 2).to_bytes(2) + data + binascii.crc_hqx(data, 0).to_bytes(2))
        for at in range(0, len(text), _LINE):
            self._port.write((_GO_ON if at else _BEGIN) + text[at : at + _LINE] + b"\n")

    async def receive(self) -> bytes:
        while True:
            data = self._port.read(0.01)
            await asyncio.sleep(0)  # where a time limit strikes
            *lines, rest = (self._line + data).split(b"\n")
            self._line = rest[-_LONGEST_LINE:]
            for line in lines:
                if (message := self._take(line)) is not None:
                    return message

    async def send_and_receive(self, data: bytes) -> bytes:
        self._message.clear()
        await self.send(data)
        return await self.receive()

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """The server said how long a message may be, its frame included."""
        self._room = max(smp_server_transport_buffer_size, _SMALLEST_BUFFER)

    @property
    def mtu(self) -> int:
        return self._room

    @property
    def max_unencoded_size(self) -> int:
        return self._room - 4

    def _take(self, line: bytes | bytearray) -> bytes | None:
        """The message that this line completes."""
        begin = line.find(_BEGIN)
        if begin >= 0:
            self._message.clear()
        elif not line.startswith(_GO_ON) or not self._message:
            self.counters["other_lines"] += 1
            return None
        try:
            self._message += base64.b64decode(
                line[begin + 2 if begin >= 0 else 2 :].rstrip(b"\r"), validate=True
            )
        except binascii.Error:
            self._damaged()
            return None
        size = int.from_bytes(self._message[:2]) if len(self._message) >= 2 else 0
        if not 2 <= size < _LARGEST or len(self._message) > size + 2:
            self._damaged()
            return None
        if len(self._message) < size + 2:
            return None
        body, check = bytes(self._message[2:size]), int.from_bytes(self._message[size:])
        self._message.clear()
        if binascii.crc_hqx(body, 0) != check:
            self._damaged()
            return None
        return body

    def _damaged(self) -> None:
        self.counters["damaged"] += 1
        self._message.clear()


def at_port(transport: Any, port: int) -> Any:
    """An instance of smpclient's UDP transport for another port than the usual one, which it gives no way to name."""

    class AtPort(transport):  # type: ignore[misc]
        async def connect(self, address: str, timeout_s: float) -> None:
            await super().connect(address, timeout_s, port)

    return AtPort()
