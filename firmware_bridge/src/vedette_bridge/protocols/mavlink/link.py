"""MAVLink over a serial port or UDP, by pymavlink's dialect ``common``: sending, waiting, commands with answers."""

from __future__ import annotations

import collections
import hashlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from vedette_bridge.errors import (
    DeviceError,
    DriverError,
    LinkTimeoutError,
    ParameterError,
    PortError,
    PortGoneError,
)

GROUND_STATION = 255
_COMPONENT = 191
"""MAV_COMP_ID_ONBOARD_COMPUTER."""
_TRIES = 3
_KEPT = 1 << 16
"""pymavlink frees what it has read only when it has read everything: cut off earlier than this."""
_EPOCH_S = 1420070400
"""Signatures count 10 microseconds since 2015."""
RESULTS = ("ACCEPTED", "TEMPORARILY_REJECTED", "DENIED", "UNSUPPORTED", "FAILED", "IN_PROGRESS", "CANCELLED")


def load_dialect() -> Any:
    """The messages of version 2, as pymavlink has them.

    Raises
    ------
    DriverError
        pymavlink is not installed.
    """
    try:
        from pymavlink.dialects.v20 import common  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise DriverError(
            "driver 'mavlink' needs pymavlink", fix="pip install 'vedette-bridge[mavlink]'"
        ) from error
    return common


class Pipe(Protocol):
    """Bytes, or datagrams of whole messages."""

    def read(self, timeout_s: float) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class UdpPipe:
    """One peer. ``listen``: the one that sends first; otherwise the one at the address."""

    def __init__(self, address: tuple[str, int], *, listen: bool) -> None:
        self._name = "{}:{}".format(*address)
        self._connected = not listen
        try:
            family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            (self._socket.bind if listen else self._socket.connect)(place)
        except OSError as error:
            raise PortError(f"UDP {self._name} cannot be opened: {error.strerror}") from error

    def read(self, timeout_s: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], timeout_s)[0]:
                return b""
            data, sender = self._socket.recvfrom(65536)
            if not self._connected:
                self._socket.connect(sender)
                self._connected = True
        except ConnectionRefusedError:
            return b""  # nobody listens there yet
        except (OSError, ValueError) as error:
            raise PortGoneError(f"UDP {self._name} was closed") from error
        return data

    def write(self, data: bytes) -> None:
        try:
            if self._connected:
                self._socket.send(data)
        except ConnectionRefusedError:
            return
        except OSError as error:
            raise PortGoneError(f"UDP {self._name} was closed") from error

    def close(self) -> None:
        self._socket.close()


class MavLink:
    """The conversation with one system. Safe to use from several threads; whoever waits reads for everybody."""

    def __init__(self, pipe: Pipe, name: str, key: str) -> None:
        self.name = name
        self.dialect = load_dialect()
        self.counters: collections.Counter[str] = collections.Counter()
        self.lock = threading.RLock()
        self.latest: dict[tuple[str, int], Any] = {}
        """The latest message of each kind and component."""
        self._pipe = pipe
        self._mav = self.dialect.MAVLink(_Outlet(pipe), srcSystem=GROUND_STATION, srcComponent=_COMPONENT)
        self._mav.robust_parsing = True
        self._heartbeat_s = 0.0
        if key:
            self._sign(key)

    @property
    def encode(self) -> Any:
        """The senders of pymavlink, one method per message."""
        return self._mav

    def wait(self, wanted: Callable[[Any], bool], timeout_s: float) -> Any:
        """The next message that ``wanted`` accepts, or ``None`` when time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self.lock:
                found = [message for message in self.pump(min(0.02, timeout_s)) if wanted(message)]
            if found:
                return found[0]
            if time.monotonic() > deadline:
                return None
            time.sleep(0.0005)  # a lock that is taken again at once is never given to another thread

    def pump(self, timeout_s: float) -> list[Any]:
        """Everything that has come, after waiting for it; also keeps our own heartbeat going while it is called."""
        self._heartbeat()
        messages = self._mav.parse_buffer(self._pipe.read(timeout_s)) or []
        if self._mav.buf_index > _KEPT:
            self._mav.buf, self._mav.buf_index = self._mav.buf[self._mav.buf_index :], 0
        good = []
        for message in messages:
            if message.get_type() == "BAD_DATA":
                self.counters["damaged"] += 1
            elif message.get_srcSystem() != GROUND_STATION:
                self.counters["messages"] += 1
                key = (message.get_type(), message.get_srcComponent())
                if key in self.latest or len(self.latest) < 1024:
                    self.latest[key] = message
                good.append(message)
        return good

    def command(self, target: tuple[int, int], command: int, *params: float, timeout_s: float = 1.0) -> None:
        """Give a command until it is acknowledged, at most three times.

        Raises
        ------
        LinkTimeoutError
            It is not acknowledged.
        DeviceError
            It is refused; ``code`` is the word of the protocol.
        """
        seven = (*params, *(0.0,) * (7 - len(params)))
        for confirmation in range(_TRIES):
            with self.lock:
                self._mav.command_long_send(*target, command, confirmation, *seven)
                ack = self.wait(lambda m: _acknowledges(m, target, command), timeout_s)
            if ack is None:
                self.counters["sent_again"] += 1
                continue
            result = RESULTS[ack.result] if ack.result < len(RESULTS) else str(ack.result)
            if result not in ("ACCEPTED", "IN_PROGRESS"):
                raise DeviceError(f"{self.name} refuses command {command}: {result}", code=result)
            return
        raise LinkTimeoutError(
            f"{self.name} does not acknowledge command {command} ({_TRIES} tries of {timeout_s:g} s)",
            fix="check the link, the ids of system and component, and the signing key",
        )

    def close(self) -> None:
        self._pipe.close()

    def _heartbeat(self) -> None:
        if time.monotonic() - self._heartbeat_s >= 1.0:
            self._heartbeat_s = time.monotonic()
            onboard, none, active = (
                self.dialect.MAV_TYPE_ONBOARD_CONTROLLER,
                self.dialect.MAV_AUTOPILOT_INVALID,
                self.dialect.MAV_STATE_ACTIVE,
            )
            self._mav.heartbeat_send(onboard, none, 0, 0, active)

    def _sign(self, key: str) -> None:
        signing = self._mav.signing
        signing.secret_key = signing_key(key)
        signing.link_id = 0
        signing.timestamp = int((time.time() - _EPOCH_S) * 1e5)
        signing.sign_outgoing = True


class _Outlet:
    """What pymavlink writes to."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> None:
        self._pipe.write(bytes(data))


def signing_key(text: str) -> bytes:
    """32 bytes: as 64 hexadecimal digits, or the SHA-256 of a passphrase, as ground stations make it.

    Raises
    ------
    ParameterError
        It is empty.
    """
    if not text:
        raise ParameterError("a signing key must not be empty")
    if len(text) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return bytes.fromhex(text)
    return hashlib.sha256(text.encode()).digest()


def _acknowledges(message: Any, target: tuple[int, int], command: int) -> bool:
    sender = (message.get_srcSystem(), message.get_srcComponent())
    return bool(message.get_type() == "COMMAND_ACK" and message.command == command and sender == target)
