"""The receiving side of a reliable stream: order, duplicates, acknowledgement. PROTOCOL.md, section 2."""

from __future__ import annotations

from vedette_bridge.vlp.control import MAX_BITMAP, AckRecord
from vedette_bridge.vlp.frame import Frame, unwrap

ACK_DELAY_US = 2_000


class ReceiveStream:
    """Puts frames in order, and knows what must be acknowledged when."""

    def __init__(self, sid: int) -> None:
        self.sid = sid
        self.duplicates = 0
        self.out_of_window = 0
        self.reordered = 0
        self.restart(1)

    def restart(self, window: int) -> None:
        """A new session."""
        self._window = window
        self._room = window
        self._next = 0
        self._edge = window
        self._early: dict[int, Frame] = {}
        self._unacknowledged = 0
        self._due_us: int | None = None

    def accept(self, frame: Frame, now_us: int) -> list[Frame]:
        """A frame that came: those that are now in order, each once."""
        seq = unwrap(frame.seq, self._next)
        if seq == self._next < self._edge and not self._early:
            self._next += 1
            self._count(now_us)
            return [frame]
        if not self._next <= seq < self._edge:
            if seq < self._next:
                self.duplicates += 1
            else:
                self.out_of_window += 1
            self._due_us = now_us
            return []
        if seq in self._early:
            self.duplicates += 1
            self._due_us = now_us
            return []
        self._early[seq] = frame
        ready = []
        while (following := self._early.pop(self._next, None)) is not None:
            ready.append(following)
            self._next += 1
        if ready:
            self._count(now_us, len(ready))
        else:
            self.reordered += 1
        if self._early:
            self._due_us = now_us
        return ready

    def number(self, seq16: int) -> int:
        """A sequence number without its wrap-around."""
        return unwrap(seq16, self._next)

    def give_room(self, frames: int) -> None:
        """How many frames beyond :attr:`ack` can be taken; what was promised before stays promised."""
        if frames > self._room and self._edge == self._next:
            self._due_us = 0  # the sender waits for it
        self._room = frames

    @property
    def ack(self) -> int:
        """The next SEQ expected, 16 bits."""
        return self._next & 0xFFFF

    @property
    def credit(self) -> int:
        """Frames beyond :attr:`ack` that there is room for; the edge never moves back."""
        self._edge = max(self._edge, self._next + min(self._window, self._room))
        return self._edge - self._next

    @property
    def due_us(self) -> int | None:
        """When an acknowledgement must leave."""
        return self._due_us

    @property
    def needs_bitmap(self) -> bool:
        """Whether a header alone does not say all."""
        return bool(self._early)

    def acknowledged(self) -> None:
        """A header with :attr:`ack` and :attr:`credit` leaves."""
        if not self._early:
            self._unacknowledged, self._due_us = 0, None

    def record(self) -> AckRecord:
        """What an ACK message says of this stream; it leaves now."""
        self._unacknowledged, self._due_us = 0, None
        bitmap = 0
        for seq in self._early:
            if (bit := seq - self._next - 1) < 8 * MAX_BITMAP:
                bitmap |= 1 << bit
        return AckRecord(self.sid, self.credit, self.ack, bitmap)

    def _count(self, now_us: int, frames: int = 1) -> None:
        self._unacknowledged += frames
        many = self._unacknowledged >= max(1, self._window // 4)
        self._due_us = now_us if many else now_us + ACK_DELAY_US
