"""Where a port is found again that was unplugged: under another name, but with the same USB serial number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

PortLister = Callable[[], Iterable[Any]]
"""Gives objects like those of ``serial.tools.list_ports.comports()``."""


def comports() -> Iterable[Any]:
    """The serial ports of this machine."""
    from serial.tools import list_ports

    return list_ports.comports()


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """What stays the same when a USB port gets another name. ``interface`` tells the ports of one device apart."""

    vid: int
    pid: int
    serial_number: str
    interface: str

    @classmethod
    def of(cls, entry: Any) -> UsbIdentity | None:
        """Of an entry of the list; ``None`` where it has no serial number."""
        if entry.vid is None or not entry.serial_number:
            return None
        return cls(entry.vid, entry.pid, entry.serial_number, (entry.location or "").partition(":")[2])


class PortFinder:
    """Remembers which device a path was, and where that device is now.

    Parameters
    ----------
    url
        What the user named. Only paths and names of ports are ever looked for; a URL stays what it is.
    ports
        Lists the ports of this machine.
    """

    def __init__(self, url: str, ports: PortLister = comports) -> None:
        self._url = url
        self._ports = ports
        self._identity: UsbIdentity | None = None

    def opened(self, url: str) -> None:
        """The port at ``url`` was opened: what is it?"""
        if "://" not in url:
            real = os.path.realpath(url)
            found = next((entry for entry in self._ports() if entry.device in (url, real)), None)
            if found is not None:
                self._identity = UsbIdentity.of(found)

    def where(self) -> str:
        """What to open now: where the device is, else the name that the user gave."""
        if self._identity is not None:
            for entry in self._ports():
                if UsbIdentity.of(entry) == self._identity:
                    return str(entry.device)
        return self._url
