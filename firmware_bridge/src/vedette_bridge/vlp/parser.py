"""Frames out of a stream of bytes that may be damaged: PROTOCOL.md, section 1.1."""

from __future__ import annotations

from collections import Counter
from zlib import crc32

from vedette_bridge.vlp.control import UNSALTED
from vedette_bridge.vlp.frame import (
    AUTH,
    CTL,
    FIELDS,
    HEADER_SIZE,
    OVERHEAD,
    REL,
    RESERVED,
    SYNC,
    VERSION,
    Frame,
)


class Parser:
    """Push bytes, pull frames. Keeps at most one frame's worth of bytes between two pushes.

    Parameters
    ----------
    limit
        Longest payload that is accepted.

    Attributes
    ----------
    salt
        The session's; may be changed between two pulls.
    rejected
        Failures by the check that failed: ``version length stream kind header payload unsalted stall``.
    skipped
        Bytes that belong to no frame.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.salt = 0
        self.rejected: Counter[str] = Counter()
        self.skipped = 0
        self._data = b""
        self._at = 0

    def push(self, data: bytes) -> None:
        """More bytes of the pipe."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def pull(self) -> Frame | None:
        """The next frame, or ``None`` while the bytes do not suffice for one."""
        return self._scan(stalled=False)

    def pull_stalled(self) -> Frame | None:
        """As :meth:`pull`, but what is partial is a failure: nothing came for too long."""
        return self._scan(stalled=True)

    def clear(self) -> None:
        """Forget what is partial."""
        self._data, self._at = b"", 0

    @property
    def partial(self) -> bool:
        """Whether bytes wait for others."""
        return self._at < len(self._data)

    def _scan(self, stalled: bool) -> Frame | None:
        data, end = self._data, len(self._data)
        while True:
            at = self._sync(data, end)
            if end - at < HEADER_SIZE:
                if not (stalled and at < end):
                    return None
                failure = "stall"
            else:
                found = self._frame(data, at, end)
                if isinstance(found, Frame):
                    return found
                if found is None and not stalled:
                    return None
                failure = found or "stall"
            self.rejected[failure] += 1
            self.skipped += 1
            self._at = at + 1

    def _sync(self, data: bytes, end: int) -> int:
        """Move to where a frame may begin."""
        at = self._at
        if not data.startswith(SYNC, at):
            found = data.find(SYNC, at)
            if found < 0:
                found = end - 1 if at < end and data[end - 1] == SYNC[0] else end
            self.skipped += found - at
            self._at = at = found
        return at

    def _frame(self, data: bytes, at: int, end: int) -> Frame | str | None:
        """The frame at ``at``; the check that failed; or ``None`` if bytes are missing."""
        vf, ch, seq, ack, length, credit, sid, hcrc = FIELDS.unpack_from(data, at + 2)
        if vf >> 6 != VERSION or vf & RESERVED:
            return "version"
        if length > self.limit:
            return "length"
        if sid > 1:
            return "stream"
        if vf & REL:
            if ch == CTL:
                return "kind"
        elif vf & AUTH:
            return "kind"
        fields = data[at + 2 : at + 12]
        salted = crc32(fields, self.salt) == hcrc
        if not salted and (ch != CTL or vf & REL or crc32(fields) != hcrc):
            return "header"
        body = at + HEADER_SIZE
        after = body + length + 4 if length else body
        if after > end:
            return None
        payload = data[body : body + length]
        if length and crc32(payload, hcrc) != int.from_bytes(data[after - 4 : after], "little"):
            return "payload"
        if not salted and not (length and payload[0] in UNSALTED):
            return "unsalted"
        self._at = after
        return Frame(vf, ch, seq, ack, credit, sid, payload, salted and self.salt != 0)


def buffer_size(limit: int) -> int:
    """Bytes that a receiver must be able to hold."""
    return limit + OVERHEAD
