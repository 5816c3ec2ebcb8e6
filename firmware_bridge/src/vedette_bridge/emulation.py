"""Hosts of emulated cameras: a :class:`Device` on a pseudo-terminal, a TCP port or a UDP port.

with PtyHost(device) as host:
    print(host.place)            # /dev/pts/7
    host.serve()                 # until Ctrl-C, or host.stop() from another thread
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import termios
import time
import tty
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from vedette_bridge.device import Device, LineDevice
from vedette_bridge.errors import PortError
from vedette_bridge.port import open_serial

_TICK_S = 0.005
_READ = 65536
_PENDING = 1 << 20
"""So many bytes may wait to be sent; before they are, the device is not asked for more."""
_STUCK_S = 1.0
"""Output that nobody has taken for so long is thrown away, as a UART does."""
_BAUDS = (
    9600,
    19200,
    38400,
    57600,
    115200,
    230400,
    460800,
    921600,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
)


class Host:
    """Serves one device. ``place`` is what to open: a path, or ``host:port``."""

    def __init__(self, device: Device, place: str) -> None:
        self.device = device
        self.place = place
        self._line = device if isinstance(device, LineDevice) else None
        self._wake, self._waker = os.pipe()
        self._stopped = False

    def serve(self) -> None:
        """Be the camera until :meth:`stop`."""
        while not self._stopped:
            self._step()

    def stop(self) -> None:
        """Make :meth:`serve` return. May be called from any thread and from a signal handler."""
        self._stopped = True
        os.write(self._waker, b"x")

    def close(self) -> None:
        """Take the camera away, as if it were unplugged."""
        os.close(self._wake)
        os.close(self._waker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _step(self) -> None:
        raise NotImplementedError

    def _readable(self, descriptor: int, *, writing: bool = False) -> bool:
        """Wait for input, for room to write if ``writing``, or for the next tick."""
        wait_s = _TICK_S
        if self._line is not None:
            wait_s = min(max(0.0, (self._line.due_ns - time.monotonic_ns()) / 1e9), wait_s)
        ready, _, _ = select.select([descriptor, self._wake], [descriptor] if writing else [], [], wait_s)
        return descriptor in ready

    def _switch(self) -> None:
        """All output has left: follow the device to another rate, if it goes there."""
        if self._line is not None and (baud := self._line.switch) is not None:
            self._set_baud(baud)
            self._line.switched(baud, time.monotonic_ns())

    def _set_baud(self, baud: int) -> None:
        """Where there is a rate at all."""

    def _through(self, data: bytes) -> bytes:
        """What the line makes of bytes in either direction."""
        return data


class _Stream:
    """Both directions of a byte stream, without ever waiting for the reader on the other side."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._pending = bytearray()
        self._moved = time.monotonic()

    def pump(self, host: Host) -> bool:
        """Read, let the device act, write; false when the other side is gone."""
        try:
            if host._readable(self.descriptor, writing=bool(self._pending)):
                data = os.read(self.descriptor, _READ)
                if not data:
                    return False
                self._add(host, host.device.receive(host._through(data), time.monotonic_ns()))
            if len(self._pending) < _PENDING:
                self._add(host, host.device.tick(time.monotonic_ns()))
            self._write()
            if not self._pending:
                host._switch()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _add(self, host: Host, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._pending += host._through(piece)

    def _write(self) -> None:
        now = time.monotonic()
        if not self._pending:
            self._moved = now
            return
        try:
            with memoryview(self._pending) as view:
                sent = os.write(self.descriptor, view[:_READ])
            del self._pending[:sent]
            self._moved = now
        except BlockingIOError:
            if now - self._moved > _STUCK_S:
                self._pending.clear()


class PtyHost(Host):
    """A serial port. The path stays the same when whoever has it open closes it and comes again.

    For a device whose line has a rate it is like a wire: who has opened it at another rate reads and writes garbage.

    Parameters
    ----------
    link
        A second name for it, a symbolic link, that outlives this one: the next emulator can take it over.
    """

    def __init__(self, device: Device, link: Path | None = None) -> None:
        master, self._slave = os.openpty()  # as long as we hold it, the master lives without a user
        tty.setraw(self._slave)
        super().__init__(device, str(link or os.ttyname(self._slave)))
        self._stream = _Stream(master)
        if link is not None:
            _name(link, os.ttyname(self._slave))

    def _step(self) -> None:
        self._stream.pump(self)

    def _through(self, data: bytes) -> bytes:
        if self._line is None or self._line.baud is None or self._users_baud() == self._line.baud:
            return data
        return os.urandom(len(data))

    def _users_baud(self) -> int | None:
        """The rate at which the port was opened."""
        code = termios.tcgetattr(self._slave)[4]
        return next((baud for baud in _BAUDS if getattr(termios, f"B{baud}", None) == code), None)

    def close(self) -> None:
        super().close()
        os.close(self._slave)
        os.close(self._stream.descriptor)


class SerialHost(Host):
    """The far end of a cable: a serial port of this machine."""

    def __init__(self, device: Device, path: str) -> None:
        super().__init__(device, path)
        baud = self._line.baud if self._line is not None else None
        self._port = open_serial(path, baud or 115200)
        self._stream = _Stream(self._port.fileno())

    def _step(self) -> None:
        if not self._stream.pump(self):
            raise PortError(f"{self.place} vanished")

    def _set_baud(self, baud: int) -> None:
        self._port.flush()
        self._port.baudrate = baud

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            self._port.close()


class TcpHost(Host):
    """A TCP port, 0 = any free one. One connection at a time; the next one waits for its end."""

    def __init__(self, device: Device, port: int = 0, address: str = "127.0.0.1") -> None:
        self._listener = _bind(socket.SOCK_STREAM, address, port)
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._stream: _Stream | None = None
        super().__init__(device, _place(self._listener))

    def _step(self) -> None:
        if self._stream is None:
            if self._readable(self._listener.fileno()):
                self._connection, _ = self._listener.accept()
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._stream = _Stream(self._connection.fileno())
        elif not self._stream.pump(self):
            self._hang_up()
            self.device.disconnected()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._stream = None

    def close(self) -> None:
        super().close()
        self._hang_up()
        self._listener.close()


class UdpHost(Host):
    """A UDP port, 0 = any free one. Answers go to the sender; what the device says unasked, to the last sender."""

    def __init__(self, device: Device, port: int = 0, address: str = "127.0.0.1") -> None:
        self._socket = _bind(socket.SOCK_DGRAM, address, port)
        self._socket.setblocking(False)
        self._peer: tuple[str, int] | None = None
        super().__init__(device, _place(self._socket))

    def _step(self) -> None:
        try:
            if self._readable(self._socket.fileno()):
                data, self._peer = self._socket.recvfrom(_READ)
                self._send(self.device.receive(data, time.monotonic_ns()))
            self._send(self.device.tick(time.monotonic_ns()))
        except (BlockingIOError, ConnectionRefusedError):
            return  # a full buffer loses a datagram; nobody listens at the peer any more

    def _send(self, datagrams: Iterable[bytes]) -> None:
        for datagram in datagrams:
            if self._peer is not None:
                self._socket.sendto(datagram, self._peer)

    def close(self) -> None:
        super().close()
        self._socket.close()


def _bind(kind: int, address: str, port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((address, port))
    except OSError as error:
        server.close()
        busy = "choose another port, or 0 for any free one" if error.errno == errno.EADDRINUSE else ""
        raise PortError(f"cannot listen on {address}:{port}: {error.strerror}", fix=busy) from error
    return server


def _place(server: socket.socket) -> str:
    address, port = server.getsockname()
    return f"{address}:{port}"


def _name(link: Path, path: str) -> None:
    """Have ``link`` point to ``path``, whatever link was there."""
    part = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        if link.exists() and not link.is_symlink():
            raise PortError(f"{link} exists and is no symbolic link")
        part.symlink_to(path)
        part.replace(link)
    except OSError as error:
        raise PortError(f"{link} cannot be made: {error.strerror}") from error
