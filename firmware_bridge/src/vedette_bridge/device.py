"""Device: the camera's side of a protocol, without any input or output of its own.

Emulators are written this way: bytes in, bytes out, and the time is told. :mod:`vedette_bridge.emulation` puts one on a
pseudo-terminal, a TCP port or a UDP port.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable


class Device(Protocol):
    """What a host of emulators drives. Not thread-safe."""

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        """Take what arrived, and give what to send: any pieces of a byte stream, or whole datagrams on UDP."""
        ...

    def tick(self, now_ns: int) -> Iterable[bytes]:
        """Give what to send unasked. Called at least every 10 ms; ``now_ns`` never goes back."""
        ...

    def disconnected(self) -> None:
        """The other side closed its end: forget what belongs to the connection, as after a cable was pulled."""
        ...


@runtime_checkable
class LineDevice(Device, Protocol):
    """A device that says when it wants to be ticked, and whose line may have a baud rate.

    ``baud`` is the rate that its line has, ``None`` without one. When ``switch`` is a rate, the host lets everything
    leave, goes to that rate, and calls :meth:`switched`.
    """

    @property
    def due_ns(self) -> int:
        """When to call :meth:`tick` next, at the latest."""
        ...

    @property
    def baud(self) -> int | None: ...

    @property
    def switch(self) -> int | None: ...

    def switched(self, baud: int, now_ns: int) -> None:
        """The line has the new rate."""
        ...
