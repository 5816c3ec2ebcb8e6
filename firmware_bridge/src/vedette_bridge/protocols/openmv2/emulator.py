"""An OpenMV camera by protocol version 2: the device's side, written from the firmware's description of the protocol.

It shares nothing with the driver. It numbers and repeats what it sends, refuses what is out of sequence, keeps three
channels, and "runs" scripts so far that ``print("...")`` prints and that one with ``snapshot`` in it shows images.
"""

from __future__ import annotations

import collections
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from vedette_bridge.device import Device
from vedette_bridge.errors import ParameterError
from vedette_bridge.jpeg import jpeg_size, sample_jpeg

_STDIN, _STDOUT, _STREAM = 1, 2, 3
_F_ACK, _F_NAK, _F_RTX, _F_ACK_REQ, _F_MORE, _F_EVENT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_FAILED, _INVALID, _BUSY, _CHECKSUM, _SEQUENCE, _OVERFLOW = 1, 2, 4, 5, 6, 7
_BUFFER, _RETRIES, _RTO_NS, _STDOUT_SIZE = 4082, 3, 500_000_000, 1023
_START_SCRIPT = 'print("hello from main.py")\nwhile True: sensor.snapshot()'


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """``images`` is a folder of ``.jpg`` files, shown in turn; without it the camera shows a test card of ``size``."""

    images: str = ""
    width: int = 320
    height: int = 240
    fps: float = 30.0


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The camera, running a script that takes images."""
    files = sorted(Path(options.images).glob("*.jpg")) if options.images else []
    if options.images and not files:
        raise ParameterError(f"emulator 'openmv2': no .jpg file in {options.images!r}")
    return OpenMv2Device(Board(options, files))


class Board:
    """What is behind the protocol: a script, its output, and the stream buffer."""

    def __init__(self, options: EmulatorOptions, files: list[Path]) -> None:
        self._options = options
        self._files = files
        self._upload = b""
        self._taken = 0
        self._next_ns = 0
        self.stdout = b""
        self.running = False
        self.locked = False
        self.streaming = False
        self.image = b""
        self.run(_START_SCRIPT.encode())

    def run(self, script: bytes) -> None:
        self._script, self.running = script, True
        for text in re.findall(rb"""print\(["'](.*?)["']\)""", script):
            self.stdout = (self.stdout + text + b"\r\n")[-_STDOUT_SIZE:]
        self.running = b"while True" in script

    def advance(self, now_ns: int) -> None:
        """Take an image if it is time, nobody holds the buffer, and it is empty."""
        takes = self.running and b"snapshot" in self._script and self.streaming
        if takes and not self.locked and not self.image and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(1e9 / self._options.fps)
            self._show()

    def _show(self) -> None:
        if self._files:
            body = self._files[self._taken % len(self._files)].read_bytes()
        else:
            body = sample_jpeg((self._options.width, self._options.height), self._taken)
        self._taken += 1
        w, h = jpeg_size(body)
        self.image = struct.pack("<LLLLL12x", w, h, 0x06060000, len(body), 32) + body

    def lock(self) -> bool:
        if self.locked or not self.image:
            return False
        self.locked = True
        return True

    def unlock(self) -> None:
        self.locked, self.image = False, b""

    def stdin(self, command: int) -> bool:
        if command == 1:
            self.running = False
        elif command == 2:
            if not self._upload:
                return False
            self.run(self._upload)
        elif command == 3:
            self._upload = b""
        return True

    def upload(self, offset: int, data: bytes) -> None:
        self._upload = (self._upload if offset else b"") + data


@dataclass(slots=True)
class Outgoing:
    """One packet that waits to be sent or acknowledged."""

    opcode: int
    channel: int
    flags: int
    body: bytes


class OpenMv2Device:
    """The protocol: one request after the other, stop and wait in both directions."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._buffer = bytearray()
        self._reset()
        self.stats = [0] * 8

    def _reset(self) -> None:
        self._number = 0
        self._limit = _BUFFER
        self._acks = True
        self._queue: collections.deque[Outgoing] = collections.deque()
        self._awaiting: bytes | None = None
        self._tries = self._sent_ns = 0
        self.board.unlock()

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        self._buffer += data[: 1 << 16]
        while (message := self._cut()) is not None:
            yield from self._take(*message, now_ns)
            yield from self._flush(now_ns)

    def tick(self, now_ns: int) -> Iterable[bytes]:
        self.board.advance(now_ns)
        if self._awaiting is not None and now_ns - self._sent_ns > _RTO_NS << self._tries:
            yield from self._again(now_ns)
        yield from self._flush(now_ns)

    def disconnected(self) -> None:
        self._buffer.clear()
        self._reset()

    def _cut(self) -> tuple[int, int, int, int, bytes | None] | None:
        """The next message: number, channel, flags, opcode, payload (``None``: damaged or too long)."""
        while True:
            start = self._buffer.find(b"\xaa\xd5")
            del self._buffer[: start if start >= 0 else max(0, len(self._buffer) - 1)]
            if start < 0 or len(self._buffer) < 10:
                return None
            number, channel, flags, opcode, size, check = struct.unpack("<xxBBBBHH", self._buffer[:10])
            if _crc(self._buffer[:8], 0xF94F, 16) != check:
                del self._buffer[0]
                self.stats[2] += 1
                continue
            if size > self._limit:
                del self._buffer[0]
                return number, channel, flags, opcode, None
            whole = 10 + size + 4 * bool(size)
            if len(self._buffer) < whole:
                return self._hidden_sync()
            body = bytes(self._buffer[10 : 10 + size])
            sound = not size or _crc(body, 0xFA567D89, 32) == int.from_bytes(
                self._buffer[10 + size : whole], "little"
            )
            del self._buffer[:whole]
            return number, channel, flags, opcode, body if sound else None

    def _hidden_sync(self) -> tuple[int, int, int, int, bytes | None] | None:
        """A synchronisation behind the beginning of a message that never comes: it must not wait for that."""
        for start in range(1, len(self._buffer) - 9):
            piece = self._buffer[start : start + 10]
            empty_sync = piece[:2] == b"\xaa\xd5" and piece[3] == piece[5] == piece[6] == piece[7] == 0
            if empty_sync and _crc(piece[:8], 0xF94F, 16) == int.from_bytes(piece[8:], "little"):
                del self._buffer[: start + 10]
                return piece[2], 0, piece[4], 0, b""
        return None

    def _take(
        self, number: int, channel: int, flags: int, opcode: int, body: bytes | None, now_ns: int
    ) -> Iterable[bytes]:
        if opcode == 0 and not flags & _F_ACK:
            self._reset()
            yield self._message(0, 0, _F_ACK, b"", 0)
        elif flags & (_F_ACK | _F_NAK):
            yield from self._acknowledged(number, opcode, flags, now_ns)
        elif self._awaiting is not None:
            return  # it talks before it has acknowledged: the firmware would look at this later, we never
        elif body is None:
            self.stats[2] += 1
            self._refuse(opcode, channel, _CHECKSUM)
        elif number != self._number:
            self.stats[3] += 1
            self._refuse(opcode, channel, _SEQUENCE)
        elif channel and opcode < 0x20:
            self._refuse(opcode, channel, _INVALID)
        else:
            self.stats[1] += 1
            yield from self._serve(opcode, channel, body)

    def _acknowledged(self, number: int, opcode: int, flags: int, now_ns: int) -> Iterable[bytes]:
        waiting = self._awaiting
        if waiting is None or (number, opcode) != (waiting[2], waiting[5]):
            return
        if flags & _F_NAK:
            yield from self._again(now_ns)
        else:
            self._advance()

    def _advance(self) -> None:
        self._awaiting, self._tries = None, 0
        self._number = (self._number + 1) % 256

    def _again(self, now_ns: int) -> Iterable[bytes]:
        assert self._awaiting is not None
        self._tries += 1
        if self._tries > _RETRIES:
            self._reset()
            return
        self.stats[4] += 1
        old = self._awaiting
        head = old[:4] + bytes((old[4] | _F_RTX,)) + old[5:8]
        self._awaiting = head + struct.pack("<H", _crc(head, 0xF94F, 16)) + old[10:]
        self._sent_ns = now_ns
        yield self._awaiting

    def _flush(self, now_ns: int) -> Iterable[bytes]:
        while self._queue and self._awaiting is None:
            item = self._queue.popleft()
            wants_ack = self._acks and not item.flags & (_F_ACK | _F_NAK | _F_EVENT)
            flags = item.flags | (_F_ACK_REQ if wants_ack else 0)
            message = self._message(item.opcode, item.channel, flags, item.body, self._number)
            self.stats[0] += 1
            if wants_ack:
                self._awaiting, self._sent_ns = message, now_ns
            elif not item.flags & _F_EVENT:
                self._number = (self._number + 1) % 256
            yield message

    def _message(self, opcode: int, channel: int, flags: int, body: bytes, number: int) -> bytes:
        head = b"\xaa\xd5" + struct.pack("<BBBBH", number, channel, flags, opcode, len(body))
        tail = body + struct.pack("<L", _crc(body, 0xFA567D89, 32)) if body else b""
        return head + struct.pack("<H", _crc(head, 0xF94F, 16)) + tail

    def _reply(self, opcode: int, channel: int, body: bytes) -> None:
        pieces = [body[at : at + self._limit] for at in range(0, len(body), self._limit)]
        for index, piece in enumerate(pieces):
            more = _F_MORE if index + 1 < len(pieces) else 0
            self._queue.append(Outgoing(opcode, channel, more, piece))

    def _refuse(self, opcode: int, channel: int, status: int) -> None:
        self._queue.append(Outgoing(opcode, channel, _F_NAK, struct.pack("<H", status)))

    def _accept(self, opcode: int, channel: int, well: bool = True, otherwise: int = _FAILED) -> None:
        if well:
            self._queue.append(Outgoing(opcode, channel, _F_ACK, b""))
        else:
            self._refuse(opcode, channel, otherwise)

    def _event(self, channel: int, number: int) -> None:
        self._queue.append(Outgoing(0x29 if channel else 0x13, channel, _F_EVENT, struct.pack("<H", number)))

    def _serve(self, opcode: int, channel: int, body: bytes) -> Iterable[bytes]:
        handlers: dict[int, Callable[[int, int, bytes], None]] = {
            0x01: self._get_caps,
            0x03: lambda op, ch, _: self._reply(op, ch, struct.pack("<8L", *self.stats)),
            0x04: lambda op, ch, _: self._reply(op, ch, bytes((1, 0, 2, 1, 0, 1, 4, 8, 1)) + bytes(7)),
            0x12: self._system_info,
            0x20: self._list,
            0x21: self._poll,
            0x22: lambda op, ch, _: self._accept(op, ch, ch == _STREAM and self.board.lock(), _BUSY),
            0x23: self._unlock,
            0x25: self._size,
            0x26: self._read,
            0x27: self._write,
            0x28: self._ioctl,
        }
        if opcode == 0x02:
            yield from self._set_caps(body)
        elif opcode in (0x10, 0x11):
            self._reset()
            self.board.running = False
        elif opcode in handlers:
            handlers[opcode](opcode, channel, body)
        else:
            self._refuse(opcode, channel, _INVALID)

    def _get_caps(self, opcode: int, channel: int, _: bytes) -> None:
        self._reply(opcode, channel, struct.pack("<LH10x", 0b1011 | self._acks << 2, self._limit))

    def _set_caps(self, body: bytes) -> Iterable[bytes]:
        flags, limit = struct.unpack("<LH10x", body) if len(body) == 16 else (0, 0)
        if not 52 <= limit <= _BUFFER or not flags & 1:
            self._refuse(2, 0, _INVALID)
            return
        yield self._message(
            2, 0, _F_ACK, b"", self._number
        )  # by the old rules; the new ones hold from here on
        self._number = (self._number + 1) % 256
        self._limit, self._acks = limit, bool(flags & 4)

    def _system_info(self, opcode: int, channel: int, _: bytes) -> None:
        words = [0x411FC271, 0x00230034, 0x3232510A, 0x30373135, 0x37C51206, 0x5640, 0, 0, 0, 0, 1 << 4, 0]
        self._reply(opcode, channel, struct.pack("<19L", *words, 2048, 1024, 4096, 512, 0, 0, 0))

    def _list(self, opcode: int, channel: int, _: bytes) -> None:
        entries = (
            (0, 0x43, b"usb"),
            (_STDIN, 0x06, b"stdin"),
            (_STDOUT, 0x01, b"stdout"),
            (_STREAM, 0x19, b"stream"),
        )
        self._reply(opcode, channel, b"".join(struct.pack("<BB14s", *entry) for entry in entries))

    def _poll(self, opcode: int, channel: int, _: bytes) -> None:
        board = self.board
        ready = board.running << _STDIN | bool(board.stdout) << _STDOUT | bool(board.image) << _STREAM
        self._reply(opcode, channel, struct.pack("<L", ready))

    def _unlock(self, opcode: int, channel: int, _: bytes) -> None:
        if channel == _STREAM:
            self.board.unlock()
        self._accept(opcode, channel, channel == _STREAM, _BUSY)

    def _holds(self, channel: int) -> bytes | None:
        return {_STDOUT: self.board.stdout, _STREAM: self.board.image}.get(channel)

    def _size(self, opcode: int, channel: int, _: bytes) -> None:
        held = self._holds(channel)
        if held is None:
            self._refuse(opcode, channel, _INVALID)
        else:
            self._reply(opcode, channel, struct.pack("<L", len(held)))

    def _read(self, opcode: int, channel: int, body: bytes) -> None:
        held = self._holds(channel)
        start, count = struct.unpack("<LL", body) if len(body) == 8 else (0, 0)
        if held is None or not count:
            self._refuse(opcode, channel, _INVALID)
        elif start + count > len(held):
            self._refuse(opcode, channel, _FAILED)
        else:
            self._reply(opcode, channel, held[start : start + count])
            if channel == _STDOUT:
                self.board.stdout = held[count:]

    def _write(self, opcode: int, channel: int, body: bytes) -> None:
        start, count = struct.unpack("<LL", body[:8]) if len(body) >= 8 else (0, 0)
        if channel != _STDIN or not count or count != len(body) - 8:
            self._refuse(opcode, channel, _INVALID)
            return
        self.board.upload(start, body[8:])
        self._accept(opcode, channel)

    def _ioctl(self, opcode: int, channel: int, body: bytes) -> None:
        words = struct.unpack(f"<{len(body) // 4}L", body[: len(body) // 4 * 4])
        counts = {
            (_STDIN, 1): 0,
            (_STDIN, 2): 0,
            (_STDIN, 3): 0,
            (_STREAM, 0): 1,
            (_STREAM, 1): 1,
            (_STREAM, 2): 2,
        }
        if not words or counts.get((channel, words[0])) != len(words) - 1 or len(body) % 4:
            self._refuse(opcode, channel, _INVALID)
        elif channel == _STDIN:
            self._accept(opcode, channel, self.board.stdin(words[0]))
            if words[0] in (1, 2):
                self._event(_STDIN, int(self.board.running))
        else:
            if words[0] == 0:
                self.board.streaming = bool(words[1])
                self.board.unlock()
            self._accept(opcode, channel)


def _crc(data: bytes | bytearray, polynomial: int, width: int) -> int:
    """Bit by bit, as in the hardware's manual."""
    top, mask = 1 << (width - 1), (1 << width) - 1
    value = mask
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value
