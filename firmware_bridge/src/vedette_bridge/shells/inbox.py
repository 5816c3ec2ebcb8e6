"""Messages of a camera that wait for who reads them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from vedette_bridge.errors import ProtocolError
from vedette_bridge.shells.notices import (
    EVENT_NAMES,
    LOG_LEVELS,
    CameraEvent,
    CameraLog,
    CameraTrigger,
    Notice,
    VendorMessage,
)
from vedette_bridge.vlp.events import Message
from vedette_bridge.vlp.frame import EVENT, FIRST, LOG, MORE, TRIGGER, VENDOR
from vedette_bridge.vlp.messages import EventMessage, TriggerMessage

MESSAGES_KEPT = 256

Convert = Callable[[int, int], tuple[int, int]]
"""``convert(device_us, arrived_us)``: a time of the camera's clock by this machine's, and a bound of its error; ns."""


class Inbox:
    """Holds messages, of which a listener loses none as long as it can make the camera wait.

    Attributes
    ----------
    listeners
        How many want messages. Without any the oldest are dropped, and counted.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.listeners = 0
        self._counts = counts
        self._waiting: deque[Notice] = deque()

    def put(self, notice: Notice) -> None:
        """One more; beyond the bound the oldest goes."""
        self._waiting.append(notice)
        if len(self._waiting) > MESSAGES_KEPT * (2 if self.listeners else 1):
            self._waiting.popleft()
            self._counts["rx_messages_unread"] += 1

    def take(self) -> Notice | None:
        """The oldest, if there is one."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def full(self) -> bool:
        """Whether the camera should wait."""
        return self.listeners > 0 and len(self._waiting) >= MESSAGES_KEPT

    @property
    def holds_vendors(self) -> bool:
        """Whether there are messages that may have come on either stream."""
        return any(isinstance(notice, VendorMessage) for notice in self._waiting)


def read_message(message: Message, convert: Convert) -> Notice:
    """What a message says; raises ``ProtocolError`` for what a camera does not send."""
    payload = message.payload
    if message.ch == EVENT:
        event = EventMessage.decode(payload)
        t_ns, uncertainty_ns = convert(event.t_us, message.t_us)
        return CameraEvent(
            kind=event.kind,
            name=EVENT_NAMES.get(event.kind, f"kind{event.kind}"),
            t_ns=t_ns,
            uncertainty_ns=uncertainty_ns,
            t_device_us=event.t_us,
            data=event.data,
        )
    if message.ch == TRIGGER:
        trigger = TriggerMessage.decode(payload)
        t_ns, uncertainty_ns = convert(trigger.t_us, message.t_us)
        return CameraTrigger(
            source=trigger.source,
            count=trigger.count,
            t_ns=t_ns,
            uncertainty_ns=uncertainty_ns,
            t_device_us=trigger.t_us,
        )
    t_ns = message.t_us * 1000
    if message.ch == LOG and payload:
        level = LOG_LEVELS[min(payload[0], len(LOG_LEVELS) - 1)]
        return CameraLog(level=level, text=payload[1:].decode("utf-8", "replace"), t_ns=t_ns)
    if message.ch in VENDOR:
        return VendorMessage(
            channel=message.ch, flags=message.vf & (FIRST | MORE), payload=payload, t_ns=t_ns
        )
    raise ProtocolError(f"a message on channel {message.ch}, which a camera does not send")
