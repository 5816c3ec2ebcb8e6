"""Pipes: bytes in and out without ever waiting, over a serial port, a pseudo-terminal, TCP, or any port of pyserial."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
from typing import Any, Protocol

import serial

from vedette_bridge.errors import ParameterError, PortError, PortGoneError
from vedette_bridge.port import open_serial, reason_of

READ = 65536
CONNECT_S = 3.0
DRAIN_S = 1.0
SLICE_S = 0.003
"""How long a port that cannot be waited for together with others is asked at a time."""
RATELESS = frozenset((*range(136, 144), 166))
"""Major numbers of devices without a baud rate: the slaves of pseudo-terminals, and USB modems (Linux, devices.txt)."""


class Pipe(Protocol):
    """An open pipe. Used by one thread at a time; what is wrong with it is a ``PortGoneError``.

    Attributes
    ----------
    name
        What messages call it.
    descriptor
        What to wait on with ``select``; ``None``: :meth:`read` itself waits, a little.
    has_rate
        Whether it is a line with a baud rate.
    is_connection
        Whether its other end may be gone without a word: then another connection is worth a try.
    """

    name: str
    descriptor: int | None
    has_rate: bool
    is_connection: bool

    def read(self) -> bytes:
        """What has come; ``b""`` if nothing has."""
        ...

    def write(self, data: memoryview) -> int:
        """Give as much as is taken at once; how many bytes that was."""
        ...

    def set_baud(self, baud: int) -> None:
        """Let everything leave, then go to another rate.

        Raises
        ------
        ParameterError
            The port cannot do it.
        """
        ...

    def close(self) -> None:
        """Let go of it. May be called twice."""
        ...


def open_pipe(url: str, baud: int = 115200, *, rtscts: bool = False, abort: int | None = None) -> Pipe:
    """Open a path, a name (``COM3``) or a URL of pyserial, for this program alone, and drop what waited there.

    Parameters
    ----------
    abort
        A descriptor; when it becomes readable, connecting over TCP is given up.

    Raises
    ------
    PortBusyError
        Another program has it.
    PortError
        It does not exist, cannot be opened or reached, or cannot do this rate.
    """
    if url.startswith("socket://"):
        return SocketPipe(_connect(url, abort), url)
    return pipe_over(open_serial(url, baud, rtscts=rtscts), url)


def pipe_over(port: Any, name: str) -> Pipe:
    """A pipe over a port of pyserial that is open already."""
    if os.name == "posix" and isinstance(port, serial.Serial):
        return FilePipe(port, name)
    return PortPipe(port, name)


class FilePipe:
    """A serial port or a pseudo-terminal."""

    def __init__(self, port: serial.Serial, name: str) -> None:
        self.name = name
        self.has_rate = _has_rate(port.fileno())
        self.is_connection = False
        self.descriptor: int | None = port.fileno()
        self._port = port
        os.set_blocking(port.fileno(), False)
        with contextlib.suppress(OSError, ValueError, NotImplementedError):  # drivers that have no such mode
            port.set_low_latency_mode(True)

    def read(self) -> bytes:
        try:
            data = os.read(self._fileno(), READ)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _gone(self.name, error) from error
        if not data:
            raise PortGoneError(f"{self.name} vanished: the other side closed it")
        return data

    def write(self, data: memoryview) -> int:
        try:
            return os.write(self._fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _gone(self.name, error) from error

    def set_baud(self, baud: int) -> None:
        try:
            until = time.monotonic() + DRAIN_S
            while self._port.out_waiting and time.monotonic() < until:
                time.sleep(0.001)
            self._port.flush()
            self._port.baudrate = baud
        except ValueError as error:
            raise ParameterError(f"{self.name} cannot do {baud} baud: {error}") from error
        except (OSError, TypeError) as error:
            raise _gone(self.name, error) from error

    def close(self) -> None:
        self.descriptor = None
        with contextlib.suppress(OSError):  # it vanished before
            self._port.close()

    def _fileno(self) -> int:
        if self.descriptor is None:
            raise PortGoneError(f"{self.name} was closed")
        return self.descriptor


class SocketPipe:
    """A TCP connection."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = name
        self.descriptor: int | None = connection.fileno()
        self.has_rate, self.is_connection = False, True
        self._connection = connection

    def read(self) -> bytes:
        try:
            data = self._connection.recv(READ)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _gone(self.name, error) from error
        if not data:
            raise PortGoneError(f"{self.name}: the other side closed the connection")
        return data

    def write(self, data: memoryview) -> int:
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _gone(self.name, error) from error

    def set_baud(self, baud: int) -> None:
        """A connection has no rate."""

    def close(self) -> None:
        self.descriptor = None
        self._connection.close()


class PortPipe:
    """Any other port of pyserial, or an object like one: ``rfc2217://``, ``loop://``, ports of Windows."""

    def __init__(self, port: Any, name: str) -> None:
        self.name = name
        self.descriptor: int | None = None
        self.has_rate = not name.startswith("loop://")
        self.is_connection = name.startswith("rfc2217://")
        self._port = port
        port.timeout = SLICE_S

    def read(self) -> bytes:
        try:
            return bytes(self._port.read(max(1, min(self._port.in_waiting, READ))))
        except (
            OSError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:  # what a closed pyserial port raises
            raise _gone(self.name, error) from error

    def write(self, data: memoryview) -> int:
        try:
            self._port.write(bytes(data))
        except serial.SerialTimeoutException:
            return 0
        except (OSError, TypeError, AttributeError, ValueError) as error:
            raise _gone(self.name, error) from error
        return len(data)

    def set_baud(self, baud: int) -> None:
        try:
            self._port.flush()
            self._port.baudrate = baud
        except ValueError as error:
            raise ParameterError(f"{self.name} cannot do {baud} baud: {error}") from error
        except (OSError, TypeError, AttributeError) as error:
            raise _gone(self.name, error) from error

    def close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self._port.close()


def _gone(name: str, error: Exception) -> PortGoneError:
    return PortGoneError(f"{name} vanished: {reason_of(error)}", fix="plug the camera in again")


def _has_rate(descriptor: int) -> bool:
    """Whether a device is a line with a baud rate."""
    state = os.fstat(descriptor)
    return stat.S_ISCHR(state.st_mode) and os.major(state.st_rdev) not in RATELESS


def _connect(url: str, abort: int | None) -> socket.socket:
    """A TCP connection to ``socket://HOST:PORT``."""
    host, colon, number = url.removeprefix("socket://").split("?")[0].strip("/").rpartition(":")
    if not colon or not number.isdecimal():
        raise PortError(f"{url} is not socket://HOST:PORT")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(number), type=socket.SOCK_STREAM)
    except OSError as error:
        raise PortError(f"{url}: the host {host} is not known: {error.strerror}") from error
    reason = ""
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            if not (reason := _connected(connection, address, abort)):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise PortError(
        f"{url} cannot be reached: {reason}", fix="is the host right, and does it listen on this port?"
    )


def _connected(connection: socket.socket, address: Any, abort: int | None) -> str:
    """Why it cannot be connected; empty if it is."""
    connection.connect_ex(address)
    stopped, done, _ = select.select([] if abort is None else [abort], [connection], [], CONNECT_S)
    if stopped or not done:
        return "no answer"
    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(code) if code else ""
