"""The device side of VLP/1 (PROTOCOL.md) for MicroPython 1.20 and later: a link to a box over any pipe of bytes.

It asks for nothing but a port with ``readinto(buffer)`` and ``write(buffer)`` that do not wait (``machine.UART`` with
``timeout=0``, ``pyb.USB_VCP``), and runs under CPython as well. Buffers are allocated once; what is sent is borrowed,
never copied. Call :meth:`Link.poll` at least once a millisecond.
"""

import struct
import time

from vlp_frame import AGAIN, BAD_TAGS, REFUSED, SESSIONS, Reader, Writer, stall_us
from vlp_opening import Terms, session_of
from vlp_session import Session, needs_tag
from vlp_stream import since

try:
    from micropython import const
except ImportError:  # CPython
    const = int

CTL, RPC, EVENT, LOG, IMAGE, RESULT, TRIGGER, FWUP, PTZ = range(9)
CONTROL, BULK = 0, 1
CAP_IN_ORDER, CAP_BAUD, CAP_IMAGES, CAP_RESULTS, CAP_PTZ, CAP_UPDATE, CAP_PAIRING = 1, 2, 4, 8, 16, 32, 64
OK, UNKNOWN, INVALID, BUSY, RANGE, AUTH, NOMEM, HW, TIMEOUT = range(9)
LATER = -1
"""What on_message returns when it has no room: the message is not acknowledged, the box sends it again."""

_REL = const(0x20)
_MORE = const(0x10)
_FIRST = const(0x08)
_DATAGRAMS = const(4)
_FRAMES_A_POLL = const(4)

_T_HELLO = const(1)
_T_ACK = const(3)
_T_PING = const(4)
_T_BOOT = const(7)
_T_BAUD_REQ = const(8)
_T_BAUD_PROBE = const(10)
_T_BYE = const(11)
_T_STATS = const(12)
_T_ERROR = const(14)

_OPENING = const(0)
_HALF_OPEN = const(1)
_UP = const(2)

_HEARTBEAT = const(250000)
_BOOT_GAP = const(500000)
_AUTH_FAIL_GAP = const(1000000)


class Link:
    """A link to a box.

    ``port``
        ``readinto(buffer)`` and ``write(buffer)`` return how many bytes they took (None is 0) and do not wait. With
        ``bauds`` it also has ``set_baud(rate)``, which lets everything leave first.
    ``on_message(ch, vf, payload, reliable)``
        A message of one frame. ``payload`` is a memoryview that is valid during the call only. Returns None, an error
        code that the box is told (``UNKNOWN`` ...), or ``LATER``.
    ``on_up()``, ``on_down(reason, failed)``
        A session has begun; it is over, and so many frames on their way have failed.
    ``maxpl``, ``window``
        Longest payload, 64..8192, and most frames on their way, 1..32; the box may want less.
    ``control_slots``
        Messages of the control stream that may wait or be on their way, at least 1.
    ``caps``, ``identity``, ``boot_id``
        As in the protocol; the identity is an encoded CBOR map of at most 192 bytes. Without a boot_id it is random.
    ``baud``, ``bauds``
        The start rate (0: the pipe has none), and the rates to accept.
    ``key``
        32 bytes: level 1, the device refuses to talk without it.
    ``ticks``, ``random``
        Microseconds modulo a power of two of at least 2**30, and ``random(n)``; those of the board unless given.
    """

    def __init__(
        self,
        port,
        on_message,
        on_up=None,
        on_down=None,
        *,
        maxpl=512,
        window=8,
        control_slots=8,
        caps=0,
        identity=b"",
        boot_id=None,
        baud=0,
        bauds=(),
        key=None,
        timeout_us=1000000,
        ticks=None,
        random=None,
    ):
        if not (64 <= maxpl <= 8192 and 1 <= window <= 32 and control_slots >= 1 and timeout_us >= 500000):
            raise ValueError("maxpl 64..8192, window 1..32, control_slots >= 1, timeout_us >= 500000")
        if len(identity) > 192 or (key is not None and len(key) != 32):
            raise ValueError("an identity has at most 192 bytes, a key has 32")
        self._port = port
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._source = ticks or time.ticks_us
        self._random = random or _board_random()
        self._maxpl, self._window, self._timeout = maxpl, window, timeout_us
        self.caps = caps | CAP_IN_ORDER | (CAP_BAUD if bauds else 0)
        self.identity = identity
        self.key = key
        self._boot_id = boot_id if boot_id is not None else struct.unpack("<I", self._random(4))[0]
        self.stats = [0] * 13
        self._reader = Reader(port, maxpl, self.stats, self._on_frame)
        self._writer = Writer(port, self.stats)
        self._session = Session(self._writer, self.stats, window, control_slots)
        self.images = self._session.images
        self._greeting = None
        self._start_baud = self._baud = self._want_baud = baud
        self._bauding = None
        if bauds:
            from vlp_baud import Baud

            self._bauding = Baud(bauds)
        self._wraps = self._now = 0
        self._state = _OPENING
        self._closed = self._polling = False
        self._auth_quiet = False
        self._auth_us = self._byte_us = self._heard_us = self._sent_us = self._room_us = 0
        self._boot_us = (self.ticks() - _BOOT_GAP) & 0x3FFFFFFF

    # --- what the owner does

    def poll(self):
        """Read, think, write; whether there is a session. Must not be called from within a callback."""
        if self._polling or self._closed:
            return self._state == _UP
        self._polling = True
        try:
            now = self.ticks()
            if self._reader.read():
                self._byte_us = now
            elif self._reader.partial() and since(now, self._byte_us) >= stall_us(
                self._baud, self._session.limit
            ):
                self._reader.parse(True)
            if self._state != _OPENING:
                self._watch(now)
            self._write(now)
        finally:
            self._polling = False
        return self._state == _UP

    def is_up(self):
        """Whether there is a session."""
        return self._state == _UP

    def ticks(self):
        """Now, in microseconds modulo 2**30: a small integer on every board. For spans use vlp_stream.since."""
        now = self._source() & 0x3FFFFFFF
        if now < self._now:
            self._wraps += 1
        self._now = now
        return now

    def time_us(self):
        """The device's clock: microseconds, 64 bits."""
        now = self.ticks()
        return (self._wraps << 30) | now

    def room(self, sid):
        """How many messages the stream (CONTROL, BULK) takes now."""
        return self._session.streams[sid].room() if self._state == _UP else 0

    def longest(self, ch):
        """The longest payload of one frame on a channel; 0 without a session."""
        return self._session.longest(ch) if self._state == _UP else 0

    def send(self, ch, payload, sid=None, flags=0):
        """Send a message of one frame, once and in order. ``payload`` (bytes, or a view that does not change) is
        borrowed. False: there is no session, or no room. ValueError: it is too long, or not for this channel."""
        if ch in (CTL, IMAGE) or PTZ < ch < 32 or ch > 127:
            raise ValueError("channel")
        if ch < 32:
            sid = _stream_of(ch)
        stream = self._session.streams[BULK if sid is None else sid]
        if self._state != _UP or not stream.room():
            return False
        if len(payload) > self.longest(ch):
            raise ValueError("too long")
        stream.put(ch, flags & (_FIRST | _MORE), None, payload, 0, len(payload))
        return True

    def send_datagram(self, ch, payload):
        """Send once without any promise; false if it was dropped. For EVENT, LOG, RESULT and vendors' channels."""
        if ch in (CTL, IMAGE) or needs_tag(ch) or PTZ < ch < 32 or ch > 127:
            raise ValueError("channel")
        if len(payload) > self._session.limit:
            raise ValueError("too long")
        if self._state != _UP or len(self._session.datagrams) >= _DATAGRAMS:
            return False
        self._session.datagrams.append((ch, payload))
        return True

    def send_image(self, data, fourcc, width, height, t_capture_us, exposure_us=0, stride=0, deadline_ms=0):
        """Send an image; its object number, or None without a session. An image still under way is given up: the newest
        wins. ``data`` is borrowed, never copied: it must not change while :meth:`image_busy`."""
        if self._state != _UP:
            return None
        return self.images.put(data, fourcc, width, height, t_capture_us, exposure_us, stride, deadline_ms)

    def abort_image(self):
        """Give up the image that is under way: what has no SEQ yet is not sent. Its buffer is free at once: what is
        sent again of it is thrown away by the box. False if nothing is left to give up."""
        return self.images.abort()

    def image_busy(self):
        """Whether the bytes of an image are still needed."""
        return self.images.busy()

    def idle(self):
        """Whether the box has everything that was sent."""
        return self._session.idle()

    def statistics(self):
        """The counters of STATS, by their numbers on the wire."""
        counts = dict(enumerate(self.stats))
        counts[AGAIN] += sum(stream.resent for stream in self._session.streams)
        return counts

    def close(self):
        """Say goodbye, as far as the port takes it now, and do nothing any more."""
        if self._state == _UP and self._writer.flush():
            self._session.say(CTL, bytes((_T_BYE, 0)))
            self._writer.flush()
        self._end("closed")
        self._closed = True

    # --- bytes that come

    def _on_frame(self, vf, ch, sid, seq, ack, credit, payload, salted):
        """A frame that passed every check."""
        if not salted:
            if ch == CTL and len(payload) and payload[0] == _T_HELLO:
                self._greeted(payload)
            return
        now = self._heard_us = self._now
        self._session.candidate = 0
        if self._state == _HALF_OPEN:
            self._established(now)
        about_rate = ch == CTL and len(payload) and _T_BAUD_REQ <= payload[0] <= _T_BAUD_PROBE
        if self._bauding and not about_rate and self._bauding.heard():
            self._session.postpone(now)
        self._session.acknowledged(sid, ack, credit, now)
        if vf & _REL:
            self._reliable(vf, ch, sid, seq, payload, now)
        elif ch == CTL:
            self._controlled(payload, seq, now)
        else:
            self._deliver(ch, vf, payload, None, seq)

    def _reliable(self, vf, ch, sid, seq, payload, now):
        """In order only: what is not next is dropped, and said at once."""
        session = self._session
        if not session.is_next(sid, seq):
            return
        payload = session.untagged(vf, ch, sid, payload)
        if payload is None:
            self.stats[BAD_TAGS] += 1
            if not self._auth_quiet:
                self._auth_quiet, self._auth_us = True, now
                session.control.auth_fail(sid, seq)
            return
        if self._deliver(ch, vf, payload, sid, seq):
            session.took(sid, now)

    def _deliver(self, ch, vf, payload, sid, seq):
        """Give a message to the owner; false if it has no room for it. ``sid`` is None for a datagram."""
        if sid is None:
            known = 32 <= ch <= 127 or ch in (EVENT, LOG, RESULT)
        else:
            known = 32 <= ch <= 127 or (ch <= PTZ and sid == _stream_of(ch))
        code = self._on_message(ch, vf, payload, sid is not None) if known else UNKNOWN
        if code == LATER:
            return False
        if code:
            self._complain(code, ch, seq)
        return True

    def _complain(self, code, ch, seq):
        """ERROR: a frame could not be used."""
        if code == INVALID:
            self.stats[REFUSED] += 1
        self._session.control.error(code, ch, seq)

    # --- control messages

    def _controlled(self, payload, seq, now):
        kind, size = (payload[0], len(payload)) if len(payload) else (0, 0)
        if not _T_ACK <= kind <= _T_ERROR or kind == _T_BOOT:
            self._complain(UNKNOWN, CTL, seq)
        elif size < (6, 16, 32, 2, 8, 8, 8, 68, 2, 1, 4, 5)[kind - _T_ACK]:
            if kind != _T_ERROR:
                self._complain(INVALID, CTL, seq)
        elif kind == _T_ACK:
            if not self._session.reported(payload, now):
                self._complain(INVALID, CTL, seq)
        elif kind == _T_PING:
            self._session.control.pinged(payload, self.time_us())
        elif kind == _T_BAUD_REQ:
            rate = struct.unpack_from("<I", payload, 4)[0]
            if self._bauding:
                self._bauding.asked(self._baud, rate)
            else:
                self._session.control.refuse_baud = True
        elif kind == _T_BAUD_PROBE:
            if self._bauding and not self._bauding.probed(payload):
                self._complain(INVALID, CTL, seq)
        elif kind == _T_BYE:
            self._end("peer closed")
        elif kind == _T_STATS and size == 1:
            self._session.control.stats = True
        # PONG, RESET, BAUD_OK, AUTH_FAIL, ERROR, and STATS that answers: nothing that a device acts on

    # --- the session

    def _greeted(self, hello):
        """HELLO: sections 3.2 and 4."""
        session = session_of(hello)
        if not session:
            self.stats[REFUSED] += 1
        elif session == self._session.number:
            self._greeting = self._session.welcome
        elif self._state == _UP and session != self._session.candidate:
            self._session.candidate = session
        else:
            self._answer(hello)

    def _answer(self, hello):
        """WELCOME; half-open, unless it refuses."""
        terms = Terms(hello, self._maxpl, self._window, self.caps, self.identity, self.key, self._random(16))
        if terms.refused:
            self._greeting = terms.welcome
            return
        if self._state == _UP:
            self._end("peer restarted")
        self._session.restart(terms)
        self._reader.salt = terms.session
        self._greeting = terms.welcome
        self._state, self._heard_us = _HALF_OPEN, self._now

    def _established(self, now):
        self._state = _UP
        self._sent_us = self._room_us = now
        self.stats[SESSIONS] += 1
        if self._on_up:
            self._on_up()

    def _end(self, reason):
        """The session is over; at the start rate both sides meet again."""
        was_up = self._state == _UP
        self._state = _OPENING
        failed = self._session.restart()
        self._reader.salt = 0
        self._greeting = None
        if self._bauding:
            self._bauding.reset()
        self._want_baud = self._start_baud
        self._boot_us = (self._now - _BOOT_GAP) & 0x3FFFFFFF
        if was_up and self._on_down:
            self._on_down(reason, failed)

    def _watch(self, now):
        """Silence, answers that do not come, and what keeps the link awake."""
        if since(now, self._heard_us) >= self._timeout:
            self._end("silent")
            return
        if self._auth_quiet and since(now, self._auth_us) >= _AUTH_FAIL_GAP:
            self._auth_quiet = False
        if self._state != _UP or (self._bauding and self._bauding.active()):
            return
        if not self._session.watch(now):
            self._end("no answer")
            return
        blocked = self._session.held_back()
        if since(now, self._sent_us) >= _HEARTBEAT or (blocked and since(now, self._room_us) >= _HEARTBEAT):
            self._room_us = now
            self._session.control.ping = True

    # --- bytes that go

    def _write(self, now):
        """What is due, a few frames at a time, so that what comes is not kept waiting."""
        if not self._writer.flush():
            return
        if self._bauding and self._bauding.active():
            self._want_baud = self._bauding.switch(now) or self._want_baud
        if self._want_baud != self._baud:
            self._port.set_baud(self._want_baud)
            self._baud = self._want_baud
            self._reader.clear()
            self._session.postpone(now)
        for _ in range(_FRAMES_A_POLL):
            if not self._say(now) or not self._writer.flush():
                return

    def _say(self, now):
        """Begin to send the most urgent frame; whether there was one."""
        session = self._session
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            session.greet(greeting)
        elif self._state == _OPENING:
            if since(now, self._boot_us) < _BOOT_GAP:
                return False
            self._boot_us = now
            session.greet(struct.pack("<BB2xI", _T_BOOT, 0, self._boot_id))
        elif self._state == _HALF_OPEN:
            return False
        elif self._bauding and self._bauding.active():
            payload = self._bauding.payload()
            if payload is None:
                return False
            session.say(CTL, payload)
        elif not self._say_message(session, now):
            return False
        self._sent_us = now
        return True

    def _say_message(self, session, now):
        """Control messages, then datagrams, then both streams."""
        payload = session.control.take(self, session)
        if payload is not None:
            session.say(CTL, payload)
        elif session.datagrams:
            session.say(*session.datagrams.pop(0))
        else:
            return session.say_data(now, self._baud)
        return True


def _stream_of(ch):
    return BULK if ch in (LOG, IMAGE, FWUP) else CONTROL


def _board_random():
    import os

    if not hasattr(os, "urandom"):
        raise ValueError("this board has no os.urandom: give random=")
    return os.urandom
