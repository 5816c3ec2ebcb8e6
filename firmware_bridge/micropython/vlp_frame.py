"""Frames of VLP/1 out of a pipe and into one: PROTOCOL.md, section 1."""

import struct
from binascii import crc32

try:
    from micropython import const
except ImportError:  # CPython
    const = int

# Counters of STATS, by their numbers on the wire.
RX_FRAMES, TX_FRAMES, RX_BYTES, TX_BYTES, SKIPPED, BAD_HEADER, BAD_PAYLOAD = range(7)
DUPLICATES, AGAIN, BAD_TAGS, REFUSED, SESSIONS, GIVEN_UP = range(7, 13)

_REL = const(0x20)
_AUTH = const(0x02)
_VERSION_BITS = const(0x40)
_HEADER = const(16)
_OVERHEAD = const(20)
_TAG = const(8)
_READS = const(4)
_STALL = const(20000)


def frame_payload(baud, maxpl):
    """Bytes of payload that a bulk frame should carry: 5 ms of the line (section 2.5)."""
    if not baud:
        return maxpl
    return min(maxpl, min(max(baud // 2000, 128), 8192) // 64 * 64)


def stall_us(baud, maxpl):
    """How long a partial frame may wait for its next byte."""
    if not baud:
        return _STALL
    return max(_STALL, 4 * (frame_payload(baud, maxpl) + _OVERHEAD) * 10000 // baud * 1000)


class Reader:
    """Looks for frames in what the port gives. Its buffer holds one; nothing is allocated per byte.

    ``on_frame(vf, ch, sid, seq, ack, credit, payload, salted)`` is called for each that passes every check; ``payload``
    is a view that is valid during the call.
    """

    def __init__(self, port, limit, stats, on_frame):
        self._port, self._limit, self._stats, self._on_frame = port, limit, stats, on_frame
        self._data = bytearray(limit + _OVERHEAD)
        self._view = memoryview(self._data)
        self._size = 0
        self.salt = 0

    def read(self):
        """Take what is there, as often as the buffer is filled, but not for ever; how many bytes came."""
        total = 0
        for _ in range(_READS):
            room = len(self._data) - self._size
            count = self._port.readinto(self._view[self._size :] if self._size else self._view)
            if not count:
                break
            total += count
            self._size += count
            self._stats[RX_BYTES] += count
            self.parse(False)
            if count < room:
                break
        return total

    def partial(self):
        """Whether bytes wait for others."""
        return self._size > 0

    def clear(self):
        """Forget what is partial."""
        self._size = 0

    def parse(self, stalled):
        """Every frame that is whole; with ``stalled`` what is partial is a failure."""
        data, at, end = self._data, 0, self._size
        while at < end:
            if data[at] == 0xFF and (at + 1 == end or data[at + 1] == 0x9E):
                size = self._frame(at, end - at)
                if size > 0:
                    at += size
                    continue
                if size == 0 and not stalled:
                    break
            at += 1
            self._stats[SKIPPED] += 1
        self._size = end - at
        if at and at < end:
            self._view[: end - at] = self._view[at:end]

    def _frame(self, at, left):
        """The frame at ``at``: how many bytes it took, 0 if some are missing, -1 if it is none."""
        if left < _HEADER:
            return 0
        data = self._data
        vf, ch, sid = data[at + 2], data[at + 3], data[at + 11]
        size = data[at + 8] | data[at + 9] << 8
        if vf & 0xC1 != _VERSION_BITS or size > self._limit or sid > 1:
            return -1
        if ch == 0 if vf & _REL else vf & _AUTH:
            return -1
        head = self._view[at + 2 : at + 12]
        crc = struct.unpack_from("<I", data, at + 12)[0]
        salted = crc32(head, self.salt) == crc
        if not salted and (ch or vf & _REL or crc32(head) != crc):
            self._stats[BAD_HEADER] += 1
            return -1
        body = at + _HEADER
        whole = _HEADER + size + (4 if size else 0)
        if left < whole:
            return 0
        payload = self._view[body : body + size]
        if size and crc32(payload, crc) != struct.unpack_from("<I", data, body + size)[0]:
            self._stats[BAD_PAYLOAD] += 1
            return -1
        if self.salt and not salted and not (size and payload[0] in (1, 2, 7)):  # HELLO, WELCOME, BOOT
            return -1
        self._stats[RX_FRAMES] += 1
        seq, ack = data[at + 4] | data[at + 5] << 8, data[at + 6] | data[at + 7] << 8
        self._on_frame(vf, ch, sid, seq, ack, data[at + 10], payload, salted and self.salt != 0)
        return whole


class Writer:
    """Writes a frame out of its pieces, as fast as the port takes them; nothing is copied."""

    def __init__(self, port, stats):
        self._port, self._stats = port, stats
        self._head = bytearray(_HEADER)
        self._fields = memoryview(self._head)[2:12]
        self._crc = bytearray(4)
        self._parts = [None] * 5
        self._part = 5
        self._at = 0

    def busy(self):
        """Whether a frame has not been taken whole."""
        return self._part < 5

    def begin(self, vf, ch, number, ack, credit, sid, salt, first, second, tag):
        """Begin a frame whose payload is ``first``, ``second`` and ``tag``, each of which may be None."""
        parts = self._parts
        parts[0], parts[1], parts[2], parts[3], parts[4] = self._head, first, second, tag, None
        size = 0
        for i in range(1, 4):
            part = parts[i]
            if part is not None:
                size += len(part)
        vf |= _VERSION_BITS | (_AUTH if tag else 0)
        struct.pack_into(
            "<BBBBHHHBB", self._head, 0, 0xFF, 0x9E, vf, ch, number & 0xFFFF, ack, size, credit, sid
        )
        crc = crc32(self._fields, salt)
        struct.pack_into("<I", self._head, 12, crc)
        if size:
            for i in range(1, 4):
                if parts[i] is not None:
                    crc = crc32(parts[i], crc)
            struct.pack_into("<I", self._crc, 0, crc)
            parts[4] = self._crc
        self._part = self._at = 0
        self._stats[TX_FRAMES] += 1

    def flush(self):
        """Write on; whether everything has been taken."""
        while self._part < 5:
            part = self._parts[self._part]
            left = 0 if part is None else len(part) - self._at
            if left:
                count = self._port.write(memoryview(part)[self._at :] if self._at else part) or 0
                self._stats[TX_BYTES] += count
                if count < left:
                    self._at += count
                    return False
            self._parts[self._part] = None
            self._part += 1
            self._at = 0
        return True
