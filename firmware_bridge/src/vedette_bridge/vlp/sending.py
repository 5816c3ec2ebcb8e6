"""The sending side of a reliable stream: window, credit, selective repeat. PROTOCOL.md, section 2."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from vedette_bridge.errors import QueueFullError
from vedette_bridge.vlp.frame import FIRST, MAX_WINDOW, MORE, REL, RTX, unwrap
from vedette_bridge.vlp.rtt import RoundTrip

MAX_EXPIRED = 10
INTERRUPTED = 3
"""So many expiries in a row are no slow line any more."""
TAG_SIZE = 8
State = Literal["queued", "delivered", "failed", "withdrawn"]


@dataclass(eq=False, slots=True)
class Outgoing:
    """A message on its way: ``head`` and then ``body``, in one frame, or in as many as it takes if ``split``.

    Both must stay unchanged until ``state`` is no longer ``queued``: nothing is copied before it is sent.
    """

    ch: int
    head: bytes
    body: memoryview
    split: bool = False
    flags: int = 0
    state: State = "queued"
    at: int = 0
    """Bytes that have a SEQ."""
    waiting: int = 0
    """Frames that are not acknowledged."""

    @property
    def size(self) -> int:
        return len(self.head) + len(self.body)

    @property
    def started(self) -> bool:
        """Whether the other side may have seen a part of it."""
        return self.at > 0

    def cut(self, limit: int) -> tuple[int, bytes | memoryview]:
        """The next frame's flags and payload."""
        begin, head = self.at, len(self.head)
        end = min(begin + limit, self.size) if self.split else self.size
        self.at = end
        if begin >= head:
            payload: bytes | memoryview = self.body[begin - head : end - head]
        else:
            payload = self.head[begin:end] + bytes(self.body[: max(0, end - head)])
        if not self.split:
            return self.flags, payload
        return (FIRST if begin == 0 else 0) | (MORE if end < self.size else 0), payload


@dataclass(eq=False, slots=True)
class Sent:
    """A frame that has a SEQ and is not acknowledged."""

    seq: int
    ch: int
    flags: int
    payload: bytes | memoryview
    message: Outgoing
    sent_us: int
    once: bool = True
    """Whether it was sent once only, so that its answer has one question."""
    expired: int = 0
    """How often no answer came in time."""
    received: bool = False
    """The other side has it, though not all before it."""
    again: bool = False
    """Waits to be sent again."""

    @property
    def out(self) -> bool:
        """Whether it is on its way, or lost."""
        return not (self.received or self.again)


class SendStream:
    """Gives each frame a SEQ, keeps it until it is acknowledged, and says which to send next.

    Parameters
    ----------
    capacity
        Most bytes that wait; :meth:`put` refuses more. One message may always wait.
    """

    def __init__(self, rtt: RoundTrip, capacity: int) -> None:
        self._rtt = rtt
        self._capacity = capacity
        self._queue: deque[Outgoing] = deque()
        self._queued = 0
        self._sent: deque[Sent] = deque()
        self._again: deque[Sent] = deque()
        self._due_us: int | None = None
        self.retransmitted = 0
        self.restart(1)

    def restart(self, window: int, in_order: bool = False, tagged: frozenset[int] = frozenset()) -> int:
        """A new session, or none any more: everything on its way has failed; how many messages that were.

        ``in_order``: the other side takes frames in order only. ``tagged``: channels whose frames need room for a tag.
        """
        lost = {sent.message for sent in self._sent}.union(self._queue)
        failed = [message for message in lost if message.state == "queued"]
        for message in failed:
            message.state = "failed"
        self._queue.clear()
        self._sent.clear()
        self._again.clear()
        self._queued = 0
        self._due_us = None
        self._window = min(window, MAX_WINDOW)
        self._in_order = in_order
        self._next = 0
        self._edge = self._window
        self._progress_us = 0
        self._went_back = -1
        self._expired_us = 0
        self._recovered = 0
        self._tagged = tagged
        return len(failed)

    # --- what is to be sent

    def put(self, message: Outgoing) -> None:
        """Queue a message.

        Raises
        ------
        QueueFullError
            Too much waits already: the other side does not take it as fast as it comes.
        """
        if self._queued and self._queued + message.size > self._capacity:
            raise QueueFullError(
                f"{self._queued} bytes wait to be sent, and {message.size} more do not fit",
                fix="send less, or drop what is stale: the other side is slower than this one",
            )
        self._queue.append(message)
        self._queued += message.size

    def withdraw(self, message: Outgoing) -> bool:
        """Send no more of a message; ``False`` if nothing of it is left to withdraw."""
        if message not in self._queue:
            return False
        self._queue.remove(message)
        self._queued -= message.size - message.at
        message.state = "withdrawn"
        return True

    def put_first(self, message: Outgoing) -> None:
        """Queue a small message before all others."""
        self._queue.appendleft(message)
        self._queued += message.size

    def take(self, now_us: int, limit: int) -> Sent | None:
        """The frame to send now: one again, else a new one if window and credit permit. ``limit``: of the payload that
        the frames of a split message should have, tag included."""
        while self._again:
            sent = self._again.popleft()
            if sent.again:
                sent.again = sent.once = False
                sent.sent_us = now_us
                self.retransmitted += 1
                self._watch(now_us)
                return sent
        if not self.ready:
            return None
        message = self._queue[0]
        before = message.at
        flags, payload = message.cut(limit - TAG_SIZE if message.ch in self._tagged else limit)
        self._queued -= message.at - before
        message.waiting += 1
        if message.at >= message.size:
            self._queue.popleft()
        sent = Sent(self._next, message.ch, flags | REL, payload, message, now_us)
        self._next += 1
        self._sent.append(sent)
        self._watch(now_us)
        return sent

    @property
    def pending(self) -> bool:
        """Whether :meth:`take` has something now."""
        return bool(self._again) or self.ready

    @property
    def ready(self) -> bool:
        """Whether a new frame may go."""
        return bool(self._queue) and len(self._sent) < self._window and self._next < self._edge

    @property
    def held_back(self) -> bool:
        """Whether what waits can only go when the other side says that it has room again."""
        return bool(self._queue) and not self._sent and self._next >= self._edge

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is unacknowledged."""
        return not self._queue and not self._sent

    @property
    def queued_bytes(self) -> int:
        return self._queued

    # --- what is heard of it

    def acknowledged(self, ack16: int, credit: int, now_us: int) -> bool:
        """ACK and CREDIT of a header; ``True`` if it is not out of date."""
        una = self._next - len(self._sent)
        ack = unwrap(ack16, una)
        if not una <= ack <= self._next:
            return False
        self._edge = max(self._edge, ack + min(credit, MAX_WINDOW))
        if ack == una:
            return True
        newest: Sent | None = None
        while self._sent and self._sent[0].seq < ack:
            newest = self._release(self._sent.popleft())
        self._progress(newest if newest is not None and not newest.received else None, now_us)
        self._schedule()
        return True

    def reported(self, ack16: int, credit: int, bitmap: int, now_us: int) -> None:
        """A record of an ACK message."""
        una = self._next - len(self._sent)
        if not self.acknowledged(ack16, credit, now_us):
            return
        if self._in_order:
            if unwrap(ack16, una) == una:
                self._go_back(una, now_us)
        elif bitmap:
            self._mark(unwrap(ack16, una) + 1, bitmap, now_us)

    def expire(self, now_us: int) -> bool:
        """Send again what was not acknowledged in time; ``False`` if that was done too often: the link is down.

        One frame only: a line may be slow and hold all the others. If it is answered, those follow."""
        if self._due_us is None or now_us < self._due_us:
            return True
        self._schedule()
        if self.due_us is None or now_us < self.due_us:
            return True  # the RTO has grown since
        late = min((sent for sent in self._sent if sent.out), key=lambda sent: sent.sent_us)
        late.expired += 1
        if late.expired >= MAX_EXPIRED:
            return False
        self._rtt.expired()
        self._expired_us, self._recovered = now_us, self._next
        for sent in list(self._sent) if self._in_order else (late,):
            self._send_again(sent)
        self._schedule()
        return True

    def postpone(self, now_us: int) -> None:
        """The line was not used for data for a while: count from now."""
        for sent in self._sent:
            sent.sent_us = now_us
        self._schedule()

    @property
    def due_us(self) -> int | None:
        """When :meth:`expire` wants to be called."""
        return self._due_us

    def _release(self, sent: Sent) -> Sent:
        message = sent.message
        message.waiting -= 1
        sent.again = False
        if message.state == "queued" and not message.waiting and message.at >= message.size:
            message.state = "delivered"
        return sent

    def _mark(self, first: int, bitmap: int, now_us: int) -> None:
        """What is received beyond a hole, and so what the holes are."""
        una = self._next - len(self._sent)
        highest = first + bitmap.bit_length() - 1
        if highest >= self._next:
            return  # of nothing that was sent
        begin = max(first, una)
        bits = bitmap >> (begin - first)
        sample: Sent | None = None
        for sent in islice(self._sent, begin - una, None):
            if not bits:
                break
            if bits & 1 and not sent.received:
                sent.received, sent.again = True, False
                sample = sent
            bits >>= 1
        if sample is not None:
            self._progress(sample, now_us)
        self._fill_holes(highest, now_us)
        self._schedule()

    def _fill_holes(self, highest: int, now_us: int) -> None:
        """Send again at once what is missing below ``highest``, though not twice in a round trip."""
        for sent in self._sent:
            if sent.seq >= highest:
                break
            if sent.out and (sent.once or now_us - sent.sent_us >= self._rtt.repeat_us):
                self._send_again(sent)

    def _go_back(self, una: int, now_us: int) -> None:
        """All again to one who takes frames in order only; then not before all of that is through, for what comes a
        second time is answered with a repeated ACK, too, which would never end (RFC 6582). Else there is the RTO."""
        if self._sent and una > self._went_back and now_us - self._sent[0].sent_us >= self._rtt.repeat_us:
            self._went_back = self._next
            for sent in self._sent:
                self._send_again(sent)

    def _progress(self, answered: Sent | None, now_us: int) -> None:
        """Something new was received; ``answered``: the newest of it, if it was heard of for the first time. After an
        interruption each such answer sends two again of those that were out then: a window is soon through."""
        if answered is not None and answered.once:
            self._rtt.sample(now_us - answered.sent_us)
        self._progress_us = now_us
        if self._rtt.expiries >= INTERRUPTED and self._sent and self._sent[0].seq < self._recovered:
            suspects = (sent for sent in self._sent if sent.out and sent.sent_us < self._expired_us)
            for sent in islice(suspects, 2):
                self._send_again(sent)

    def _send_again(self, sent: Sent) -> None:
        if not sent.again:
            sent.again = True
            sent.flags |= RTX
            self._again.append(sent)

    def _watch(self, now_us: int) -> None:
        """A frame leaves: its answer must come in time."""
        if self._due_us is None:
            self._due_us = now_us + self._rtt.rto_us

    def _schedule(self) -> None:
        """Watch the frame that is out longest; those sent once are in the order of time. Its wait begins anew with each
        answer: on a slow line it queues behind others, and those are answered one by one."""
        oldest: int | None = None
        for sent in self._sent:
            if sent.out:
                oldest = sent.sent_us if oldest is None else min(oldest, sent.sent_us)
                if sent.once:
                    break
        waits = None if oldest is None else max(oldest, self._progress_us, self._expired_us)
        self._due_us = None if waits is None else waits + self._rtt.rto_us
