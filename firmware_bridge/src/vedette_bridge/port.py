"""Port: a byte pipe over any pyserial URL, with a deadline on every call and one clear error for what can go wrong."""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from typing import Any

import serial

from vedette_bridge.errors import LinkTimeoutError, PortBusyError, PortError, PortGoneError

_SLICE_S = 0.02
"""How late a deadline may be noticed where a port has no file descriptor to wait on."""
_READ = 65536


class Port:
    """An open port. Reading and writing may go on in two threads at once.

    Parameters
    ----------
    url
        A path (``/dev/ttyUSB0``), a name (``COM3``), or a pyserial URL (``socket://``, ``rfc2217://``, ``loop://``).
    baud
        Symbols per second; without meaning on a pseudo-terminal or a socket.
    write_timeout_s
        How long a write may take before the other side counts as stuck.

    Raises
    ------
    PortBusyError
        Another program holds it.
    PortError
        It does not exist, may not be opened, or does not do this baud rate.
    """

    def __init__(self, url: str, baud: int = 115200, *, write_timeout_s: float = 2.0) -> None:
        self.url = url
        self.received_bytes = self.sent_bytes = 0
        self._closed = threading.Event()
        self._serial = open_serial(url, baud, write_timeout=write_timeout_s)
        self._descriptor = _descriptor_of(self._serial)

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, at most 64 KiB; waits for the first byte, and gives ``b""`` if none came in time.

        Raises
        ------
        PortGoneError
            The port vanished or was closed.
        """
        try:
            data = self._read_now(timeout_s)
        except (
            OSError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:  # what a closed pyserial port raises
            raise self._gone(error) from error
        if self._closed.is_set():
            raise PortGoneError(f"{self.url} was closed")
        self.received_bytes += len(data)
        return data

    def write(self, data: bytes) -> None:
        """Send all of it.

        Raises
        ------
        LinkTimeoutError
            The other side does not take it.
        PortGoneError
            The port vanished or was closed.
        """
        if self._closed.is_set():
            raise PortGoneError(f"{self.url} was closed")
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkTimeoutError(
                f"{self.url}: {len(data)} bytes could not be sent in {self._serial.write_timeout} s",
                fix="is anything listening, and is flow control set right?",
            ) from error
        except (OSError, TypeError, AttributeError, ValueError) as error:
            raise self._gone(error) from error
        self.sent_bytes += len(data)

    def discard_input(self) -> None:
        """Throw away what has arrived, up to a megabyte: a flood must not hold the caller."""
        for _ in range(16):
            if not self.read(0.0):
                return

    def close(self) -> None:
        """Let go of the port; a read that waits ends within a second. May be called twice."""
        if not self._closed.is_set():
            self._closed.set()
            try:
                self._serial.close()
            except (OSError, AttributeError):  # it vanished before
                return

    def _read_now(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while not self._closed.is_set():
            left = deadline - time.monotonic()
            if self._descriptor is None:
                if data := self._serial.read(max(1, min(self._serial.in_waiting, _READ))):
                    return bytes(data)
            elif select.select([self._descriptor], [], [], max(0.0, min(left, 0.5)))[0]:
                data = os.read(self._descriptor, _READ)
                if not data:
                    raise OSError(errno.EIO, "the other side closed it")
                return data
            if left <= 0:
                break
        return b""

    def _gone(self, error: Exception) -> PortGoneError:
        if self._closed.is_set():
            return PortGoneError(f"{self.url} was closed")
        return PortGoneError(
            f"{self.url} vanished: {reason_of(error)}", fix="plug the camera in again and open it anew"
        )


def open_serial(url: str, baud: int, **settings: Any) -> serial.Serial:
    """A port of pyserial, for this program alone. Raises as :class:`Port`."""
    local = "://" not in url
    settings = {"baudrate": baud, "timeout": _SLICE_S, **settings}
    if local:
        settings["exclusive"] = True
    try:
        return serial.serial_for_url(url, **settings)
    except (serial.SerialException, OSError) as error:
        code = error.errno or getattr(error.__context__, "errno", None)
        if code in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in str(error):
            raise PortBusyError(
                f"{url} is held by another program", fix="close it; `fuser PATH` says who has it"
            ) from error
        raise PortError(f"{url} cannot be opened: {reason_of(error)}", fix=_remedy(code, local)) from error
    except (ValueError, ImportError) as error:
        raise PortError(f"{url} cannot be opened at {baud} baud: {reason_of(error)}") from error


def _remedy(code: int | None, local: bool) -> str:
    if code == errno.ENOENT:
        return "`python -m serial.tools.list_ports` lists the ports of this machine"
    if code == errno.EACCES:
        return "add this user to the group of the port, mostly `dialout`, and log in again"
    return "" if local else "is the host reachable, and does it listen on this port?"


def reason_of(error: BaseException) -> str:
    """The system's words alone: pyserial's own message repeats the path, twice."""
    code = getattr(error, "errno", None) or getattr(error.__context__, "errno", None)
    return os.strerror(code) if code else " ".join(str(error).split()) or type(error).__name__


def _descriptor_of(port: serial.Serial) -> int | None:
    """What ``select`` can wait on; ``None`` on Windows and for ports that are not files."""
    plain = isinstance(port, serial.Serial) or type(port).__module__.endswith("protocol_socket")
    return int(port.fileno()) if os.name == "posix" and plain else None
