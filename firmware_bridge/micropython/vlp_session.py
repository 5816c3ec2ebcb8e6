"""What a session has, and its frames that go: both streams, the image, the key. PROTOCOL.md, sections 2 and 4."""

from vlp_control import Control
from vlp_frame import AGAIN, DUPLICATES, frame_payload
from vlp_image import ImageSender
from vlp_stream import RoundTrip, Stream, since

try:
    from micropython import const
except ImportError:  # CPython
    const = int

_CTL = const(0)
_REL = const(0x20)
_AUTH = const(0x02)
_VERSION_BITS = const(0x40)
_TAG = const(8)
_ACK_DELAY = const(2000)
_WITHOUT = const(64)


def needs_tag(ch):
    """Whether frames of the channel must be tagged at level 1: RPC, TRIGGER, FWUP, PTZ."""
    return ch in (1, 6, 7, 8)


class Session:
    """The session, or what waits for one. ``number`` is the salt, 0 without one."""

    def __init__(self, writer, stats, window, control_slots):
        self._writer, self._stats = writer, stats
        self._rtt = RoundTrip()
        self.streams = (Stream(control_slots, self._rtt), Stream(window, self._rtt))
        self.images = ImageSender(stats)
        self.control = Control()
        self.datagrams = []
        self._datagram_seq = 0
        self.restart()

    def restart(self, terms=None):
        """Begin another one, or none; how many frames on their way have failed."""
        self.number = self.candidate = 0
        self.limit, self.welcome, self._key = _WITHOUT, None, None
        window, in_order = 1, False
        if terms is not None:
            self.number, self.limit, self.welcome = terms.session, terms.maxpl, terms.welcome
            self._key, window, in_order = terms.key, terms.window, terms.in_order
        self._rtt.restart()
        self.images.restart()
        self.control.restart()
        self.datagrams.clear()
        failed = 0
        for stream in self.streams:
            self._stats[AGAIN] += stream.resent
            stream.resent = 0
            failed += stream.restart(window, in_order)
        return failed

    def longest(self, ch):
        """The longest payload of one frame on a channel."""
        return self.limit - (_TAG if self._key is not None and needs_tag(ch) else 0)

    def idle(self):
        """Whether the box has everything."""
        waits = self.datagrams or self.images.busy() or self.images.waits() or self._writer.busy()
        return not (waits or any(stream.sent + stream.unsent for stream in self.streams))

    # --- what comes

    def is_next(self, sid, seq):
        """Whether a reliable frame is the expected one; any other is acknowledged at once, and dropped."""
        ahead = (seq - self.streams[sid].expected) & 0xFFFF
        if ahead:
            self.control.ack = True
            if ahead >= 0x8000:
                self._stats[DUPLICATES] += 1
        return not ahead

    def took(self, sid, now):
        """The expected frame was taken."""
        stream = self.streams[sid]
        stream.took(now)
        if stream.unacked >= max(1, stream.window // 4):
            self.control.ack = True

    def untagged(self, vf, ch, sid, payload):
        """The payload without its tag; None if that is not right, or not there though it must be."""
        if not vf & _AUTH:
            return None if self._key is not None and needs_tag(ch) else payload
        if self._key is None or len(payload) < _TAG:
            return None
        from vlp_auth import equal, tag

        size = len(payload)
        body, given = payload[: size - _TAG], payload[size - _TAG :]
        number = self.streams[sid].expected
        return body if equal(given, tag(self._key, 0, number, vf, ch, sid, size, body)) else None

    def acknowledged(self, sid, ack, credit, now):
        """ACK and CREDIT of a header."""
        self.streams[sid].acknowledged(ack, credit, now)
        self.images.acknowledged()

    def reported(self, payload, now):
        """The one or two records of an ACK message; false if it is cut off."""
        at, records = 1, 0
        while at < len(payload) and records < 2:
            if len(payload) - at < 5 or payload[at] > 1:
                return False
            size = payload[at + 4]
            if size > 8 or at + 5 + size > len(payload):
                return False
            ack, bitmap = payload[at + 2] | payload[at + 3] << 8, payload[at + 5 : at + 5 + size]
            self.streams[payload[at]].reported(ack, payload[at + 1], bitmap, now)
            at += 5 + size
            records += 1
        self.images.acknowledged()
        return records > 0

    # --- what time brings

    def watch(self, now):
        """Mark what must be sent again or acknowledged; false if a frame was sent too often."""
        for sid in (0, 1):
            stream = self.streams[sid]
            if not stream.expire(now):
                return False
            if stream.unacked and since(now, stream.last_us) >= _ACK_DELAY:
                self.control.ack = True
            if stream.shut and self._credit(sid):
                self.control.ack = True  # the box waits for it
        return True

    def held_back(self):
        """Whether the box has no room for what waits."""
        control, bulk = self.streams
        if control.unsent and control.out_of_credit():
            return True
        return (bulk.unsent or self.images.waits()) and bulk.out_of_credit()

    def postpone(self, now):
        """The line was not used for data for a while."""
        for stream in self.streams:
            stream.postpone(now)

    # --- what goes

    def say_data(self, now, baud):
        """Begin to send a frame of a stream, control before bulk; whether there was one."""
        return self._say(0, now, baud) or self._say(1, now, baud)

    def say(self, ch, payload):
        """Begin to send a datagram."""
        self._emit(0, ch, 0, self._datagram_seq, payload, None)
        self._datagram_seq = (self._datagram_seq + 1) & 0xFFFF

    def greet(self, payload):
        """Begin to send a control message with salt 0."""
        self._writer.begin(0, _CTL, 0, 0, 0, 0, 0, payload, None, None)

    def acknowledgement(self):
        """What an ACK message says of both streams; it leaves now."""
        control, bulk = self.streams
        control.unacked = bulk.unacked = 0
        ack, next_ack = control.expected & 0xFFFF, bulk.expected & 0xFFFF
        return 0, self._credit(0), ack, 0, 1, self._credit(1), next_ack, 0

    def _say(self, sid, now, baud):
        """One again, one that waits, or the next piece of the image."""
        stream = self.streams[sid]
        i = stream.oldest_again()
        if i < 0:
            if not stream.may_send():
                return False
            limit = frame_payload(baud, self.limit)
            if not stream.unsent and not (sid and self.images.cut(stream, limit)):
                return False
            i = stream.sent
        slot = stream.transmit(i, now)
        body = slot.body
        if body is not None and slot.size != len(body):
            body = body[slot.at : slot.at + slot.size]
        self._emit(_REL | slot.flags, slot.ch, sid, stream.number(i), slot.head, body)
        return True

    def _credit(self, sid):
        """Frames that the box may send: a request of the control stream takes a slot for its reply."""
        stream = self.streams[sid]
        return stream.credit(stream.window if sid else stream.room())

    def _emit(self, vf, ch, sid, number, first, second):
        """Begin to send a frame, with the latest acknowledgement."""
        stream, tag = self.streams[sid], None
        if vf & _REL and self._key is not None and needs_tag(ch):
            from vlp_auth import tag as make_tag

            body = b"".join(part for part in (first, second) if part is not None)
            size = len(body) + _TAG
            tag = make_tag(self._key, 1, number, vf | _AUTH | _VERSION_BITS, ch, sid, size, body)
        ack, credit = stream.expected & 0xFFFF, self._credit(sid)
        stream.unacked = 0
        self._writer.begin(vf, ch, number, ack, credit, sid, self.number, first, second, tag)
