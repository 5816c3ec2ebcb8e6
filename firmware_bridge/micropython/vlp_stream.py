"""One reliable stream of VLP/1, both ways: PROTOCOL.md, section 2.

Times are ticks: microseconds modulo 2**30, which are small integers on every board, so that timers allocate nothing.
"""

try:
    from micropython import const
except ImportError:  # CPython
    const = int

_RTX = const(0x04)
_MAX_WINDOW = const(32)
_MAX_TRIES = const(10)
_FIRST_RTO = const(200000)
_MIN_RTO = const(20000)
_MAX_RTO = const(1000000)
_MIN_REPEAT = const(2000)


def since(now, then):
    """Microseconds from one tick to another; they must lie less than 2**29 us (nine minutes) apart."""
    return (((now - then) & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000


class RoundTrip:
    """How long an answer takes: RFC 6298 with the bounds of section 2.3."""

    def __init__(self):
        self.restart()

    def restart(self):
        """A new session: nothing is known."""
        self._smooth = -1
        self._variation = 0
        self._backoff = 0

    def sample(self, us):
        """The round trip of a frame that was sent once."""
        if self._smooth < 0:
            self._smooth, self._variation = us, us // 2
        else:
            self._variation += (abs(self._smooth - us) - self._variation) // 4
            self._smooth += (us - self._smooth) // 8

    def expired(self):
        """Nothing came in time: wait twice as long for the next."""
        self._backoff = min(self._backoff + 1, 6)

    def answered(self):
        """Something new was acknowledged."""
        self._backoff = 0

    def rto(self):
        """When to send again what is not acknowledged."""
        rto = _FIRST_RTO if self._smooth < 0 else max(self._smooth + 4 * self._variation, _MIN_RTO)
        return min(rto << self._backoff, _MAX_RTO)

    def repeat(self):
        """Within this time one frame is not sent again twice."""
        return max(self._smooth, _MIN_REPEAT)


class Slot:
    """A frame that waits or is on its way: ``head``, then ``size`` bytes of ``body`` from ``at``. Nothing is copied."""

    def __init__(self):
        self.free()

    def free(self):
        """Hold no one's buffer."""
        self.head = self.body = self.image = None
        self.ch = self.flags = self.at = self.size = self.tries = self.sent_us = 0
        self.received = self.again = False


class Stream:
    """A ring of slots: frames that are unacknowledged, then messages that have no SEQ yet; and what is expected."""

    def __init__(self, slots, rtt):
        self._ring = [Slot() for _ in range(slots)]
        self._rtt = rtt
        self.resent = 0
        self.unsent = self._first = self.sent = 0
        self.restart(1, False)

    def restart(self, window, in_order):
        """Begin anew: the number of frames and messages that have failed. ``in_order``: so the box receives."""
        failed = self.sent + self.unsent
        for slot in self._ring:
            slot.free()
        self.window = window
        self._in_order = in_order
        self._first = self.sent = self.unsent = 0
        self.next = 0  # SEQ of the next new frame, without wrap-around
        self._edge = window  # first SEQ that the box has no room for
        self._repeated_us = None
        self.expected = 0  # SEQ that the box must send next, without wrap-around
        self._promised = window  # first SEQ that the box may not send
        self.shut = False  # whether the box was last told that there is no room
        self.unacked = 0  # frames of the box that are not acknowledged
        self.last_us = 0  # when the last of them came
        return failed

    # --- to the box

    def room(self):
        """How many messages :meth:`put` will take."""
        return len(self._ring) - self.sent - self.unsent

    def put(self, ch, flags, head, body, at, size):
        """Queue a frame; its slot. There must be room."""
        slot = self._slot(self.sent + self.unsent)
        slot.ch, slot.flags, slot.head, slot.body, slot.at, slot.size = ch, flags, head, body, at, size
        self.unsent += 1
        return slot

    def may_send(self):
        """Whether window and credit permit a new frame."""
        return self.sent < self.window and self.next < self._edge

    def out_of_credit(self):
        """Whether the box has said that it has no room."""
        return self.next >= self._edge

    def oldest_again(self):
        """The first frame that must be sent again, as its distance from the oldest on its way, or -1."""
        for i in range(self.sent):
            if self._slot(i).again:
                return i
        return -1

    def transmit(self, i, now):
        """Frame ``i`` on its way goes; ``i == sent`` is the first that waits. Its slot."""
        slot = self._slot(i)
        if i == self.sent:
            self.sent += 1
            self.unsent -= 1
            self.next += 1
        else:
            slot.flags |= _RTX
            slot.again = False
            self.resent += 1
        slot.tries += 1
        slot.sent_us = now
        return slot

    def number(self, i):
        """SEQ of frame ``i``, without wrap-around."""
        return self.next - self.sent + i

    def acknowledged(self, ack, credit, now):
        """ACK and CREDIT of a header; how many frames that releases, or -1 if it is out of date."""
        oldest = self.next - self.sent
        count = (ack - oldest) & 0xFFFF
        if count > self.sent:
            return -1
        self._edge = max(self._edge, oldest + count + min(credit, _MAX_WINDOW))
        for i in range(count):
            slot = self._slot(0)
            if i == count - 1:
                self._answered(slot, now)
            if slot.image is not None:
                slot.image.waiting -= 1
            slot.free()
            self._first = (self._first + 1) % len(self._ring)
            self.sent -= 1
        return count

    def reported(self, ack, credit, bitmap, now):
        """A record of an ACK message; ``bitmap`` are its bytes."""
        count = self.acknowledged(ack, credit, now)
        if self._in_order and count == 0:
            self._repeat_all(now)
        if count < 0 or self._in_order:
            return
        highest = -1
        for i in range(1, min(8 * len(bitmap), self.sent - 1) + 1):
            if bitmap[(i - 1) >> 3] >> ((i - 1) & 7) & 1:
                highest = i
                slot = self._slot(i)
                if not slot.received:
                    self._answered(slot, now)
                    slot.received, slot.again = True, False
        for i in range(highest):
            slot = self._slot(i)
            if not slot.received and (slot.tries == 1 or since(now, slot.sent_us) >= self._rtt.repeat()):
                slot.again = True

    def expire(self, now):
        """Mark what was not acknowledged in time; false if a frame was sent too often."""
        rto = self._rtt.rto()
        late = False
        for i in range(self.sent):
            slot = self._slot(i)
            if slot.received or slot.again or since(now, slot.sent_us) < rto:
                continue
            if slot.tries >= _MAX_TRIES:
                return False
            slot.again = late = True
        if late:
            self._rtt.expired()
            if self._in_order:
                self._mark_all()
        return True

    def postpone(self, now):
        """The line was not used for data for a while: count from now."""
        for i in range(self.sent):
            self._slot(i).sent_us = now

    def _answered(self, slot, now):
        """The box has this frame. Only one that was sent once tells how long that took (Karn)."""
        if slot.tries == 1 and not slot.received:
            self._rtt.sample(since(now, slot.sent_us))
        self._rtt.answered()

    def _repeat_all(self, now):
        """To a box that receives in order only."""
        if self._repeated_us is None or since(now, self._repeated_us) >= self._rtt.repeat():
            self._repeated_us = now
            self._mark_all()

    def _mark_all(self):
        for i in range(self.sent):
            self._slot(i).again = True

    def _slot(self, i):
        return self._ring[(self._first + i) % len(self._ring)]

    # --- from the box

    def took(self, now):
        """The expected frame was taken."""
        self.expected += 1
        self.unacked += 1
        self.last_us = now

    def credit(self, room):
        """Frames that the box may send now, with room for that many; what was promised stays promised."""
        self._promised = max(self._promised, self.expected + min(self.window, room))
        count = self._promised - self.expected
        self.shut = not count
        return count
