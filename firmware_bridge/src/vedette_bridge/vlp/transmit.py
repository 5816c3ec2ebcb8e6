"""What leaves a side of a link, in which order, and when the line has room for it. Times in microseconds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from vedette_bridge.vlp import control
from vedette_bridge.vlp.control import Type
from vedette_bridge.vlp.frame import AUTH, BULK, CONTROL, CTL, encode, line_us, payload_for
from vedette_bridge.vlp.opening import Terms
from vedette_bridge.vlp.receiving import ReceiveStream
from vedette_bridge.vlp.security import TAGGED, Role, tag
from vedette_bridge.vlp.sending import SendStream

AHEAD_US = 2_000
"""Frames are handed out when the line has less than this left to send: what is urgent then waits no longer."""
MAX_OUTPUT = 64 << 10
MAX_WAITING = 64
"""Most control messages and datagrams that wait; what would come on top is dropped and counted: it is asked again."""

Message = Callable[[int], bytes]
"""A control message, made when it leaves: ``message(now_us)``."""


class Source(Protocol):
    """Gives control messages while nothing else may leave."""

    @property
    def send_us(self) -> int | None:
        """When :meth:`take` has something; ``None``: not by time alone."""
        ...

    def take(self, now_us: int) -> bytes | None:
        """The message to send now."""
        ...


class Transmitter:
    """Composes frames at the last moment, with the latest acknowledgement: control messages first, then
    acknowledgements that no other frame would carry, datagrams, the control stream, the bulk stream.

    Attributes
    ----------
    terms
        The session's; ``None``: frames have salt 0.
    only
        While set (a session is opened, the rate is changed) nothing goes but the control messages that it gives.
    sent_us
        When something was handed out last.
    """

    def __init__(
        self,
        role: Role,
        sending: Sequence[SendStream],
        receiving: Sequence[ReceiveStream],
        counts: Counter[str],
    ) -> None:
        self.terms: Terms | None = None
        self.only: Source | None = None
        self.baud: int | None = None
        self.sent_us = 0
        self._role = role
        self._sending = sending
        self._receiving = receiving
        self._counts = counts
        self._greetings: deque[bytes] = deque(maxlen=1)
        self._control: deque[Message] = deque()
        self._datagrams: deque[tuple[int, bytes]] = deque()
        self._datagram_seq = 0
        self._line_free_us = 0

    def greet(self, payload: bytes) -> None:
        """Send this with salt 0, before anything else; only the latest counts."""
        self._greetings.append(payload)

    def say(self, message: Message) -> None:
        """Queue a control message."""
        if len(self._control) < MAX_WAITING:
            self._control.append(message)
        else:
            self._counts["tx_control_dropped"] += 1

    def send_datagram(self, ch: int, payload: bytes) -> None:
        """Queue a datagram."""
        if len(self._datagrams) < MAX_WAITING:
            self._datagrams.append((ch, payload))
        else:
            self._counts["tx_datagrams_dropped"] += 1

    def clear(self) -> None:
        """The session is over: nothing that waited is of use."""
        self._greetings.clear()
        self._control.clear()
        self._datagrams.clear()

    def line_is_free(self, now_us: int) -> None:
        """What was handed out has left."""
        self._line_free_us = now_us

    def take(self, now_us: int) -> bytes:
        """Bytes to write now; empty when there are none, or the line is busy with what it was given."""
        out: list[bytes] = []
        size = 0
        while size < MAX_OUTPUT and self._line_free_us <= now_us + AHEAD_US:
            data = self._next(now_us)
            if not data:
                break
            out.append(data)
            size += len(data)
            self._line_free_us = max(self._line_free_us, now_us) + line_us(len(data), self.baud)
        if size:
            self.sent_us = now_us
            self._counts["tx_bytes"] += size
            self._counts["tx_frames"] += len(out)
        return out[0] if len(out) == 1 else b"".join(out)

    def goodbye(self) -> bytes:
        """A frame that ends the session, whether the line has room or not."""
        return self._datagram(CTL, control.encode_reason(Type.BYE))

    def due_us(self, now_us: int) -> int | None:
        """When :meth:`take` has something, if it has without anything else happening."""
        due = self._wanted_us(now_us)
        return None if due is None else max(due, self._line_free_us - AHEAD_US)

    def _wanted_us(self, now_us: int) -> int | None:
        """When something wants to leave, were the line free."""
        if self._greetings:
            return now_us
        if self.only is not None:
            return self.only.send_us
        if self._control or self._datagrams or self._carrier() is not None:
            return now_us
        dues = [stream.due_us for stream in self._receiving if stream.due_us is not None]
        return min(dues, default=None)

    def _carrier(self) -> int | None:
        """The stream whose frame goes next, and carries the acknowledgement of that stream."""
        for sid, stream in enumerate(self._sending):
            if stream.pending:
                return sid
        return None

    def _next(self, now_us: int) -> bytes:
        """The bytes of the most urgent frame; empty if none may go now."""
        if self._greetings:
            return encode(0, CTL, 0, 0, 0, 0, self._greetings.popleft(), 0)
        if self.only is not None:
            payload = self.only.take(now_us)
            return self._datagram(CTL, payload) if payload else b""
        if self._control:
            return self._datagram(CTL, self._control.popleft()(now_us))
        if acks := self._acks(now_us):
            return self._datagram(CTL, acks)
        if self._datagrams:
            return self._datagram(*self._datagrams.popleft())
        return self._data(CONTROL, now_us) or self._data(BULK, now_us)

    def _acks(self, now_us: int) -> bytes:
        """ACK of the streams that are due and that the next frame's header does not say all of."""
        due = [stream for stream in self._receiving if stream.due_us is not None and now_us >= stream.due_us]
        if due:
            carrier = self._carrier()
            due = [stream for stream in due if stream.needs_bitmap or stream.sid != carrier]
        return control.encode_ack([stream.record() for stream in due]) if due else b""

    def _datagram(self, ch: int, payload: bytes) -> bytes:
        if self.terms is None:
            return encode(0, ch, 0, 0, 0, 0, payload, 0)
        stream = self._receiving[CONTROL]
        seq, self._datagram_seq = self._datagram_seq, (self._datagram_seq + 1) & 0xFFFF
        data = encode(0, ch, seq, stream.ack, stream.credit, CONTROL, payload, self.terms.session)
        stream.acknowledged()
        return data

    def _data(self, sid: int, now_us: int) -> bytes:
        """A frame of a reliable stream, with its tag."""
        terms = self.terms
        if terms is None:
            return b""
        sent = self._sending[sid].take(now_us, payload_for(self.baud, terms.maxpl))
        if sent is None:
            return b""
        flags, payload = sent.flags, sent.payload
        if terms.key is not None and sent.ch in TAGGED:
            flags |= AUTH
            payload = bytes(payload) + tag(terms.key, self._role, sent.seq, flags, sent.ch, sid, payload)
        stream = self._receiving[sid]
        data = encode(
            flags, sent.ch, sent.seq & 0xFFFF, stream.ack, stream.credit, sid, payload, terms.session
        )
        stream.acknowledged()
        return data
