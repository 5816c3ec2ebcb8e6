"""What a frame that came means. PROTOCOL.md, sections 3.1, 4 and 5. Times in microseconds."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp import control
from vedette_bridge.vlp.control import Code, Ping, Pong, Type
from vedette_bridge.vlp.events import AuthFailed, Event, Message, PeerError, PeerStats
from vedette_bridge.vlp.frame import AUTH, CTL, DATAGRAMS, IMAGE, REL, STREAM_OF, VENDOR, Frame
from vedette_bridge.vlp.receiving import ReceiveStream
from vedette_bridge.vlp.security import TAG_SIZE, TAGGED, Role, tag
from vedette_bridge.vlp.session import Session

AUTH_FAIL_GAP_US = 1_000_000

Statistics = Callable[[], dict[int, int]]
"""The counters of STATS by their numbers."""


class Incoming:
    """Turns frames into events for the owner, and into what the session must know."""

    def __init__(self, session: Session, statistics: Statistics) -> None:
        self._session = session
        self._statistics = statistics
        self._peer: Role = "device" if session.config.role == "box" else "box"
        self._auth_fail_us: int | None = None

    def take(self, frame: Frame, now: int, events: list[Event]) -> None:
        """A frame that passed every check of section 1.1."""
        session = self._session
        session.counts["rx_frames"] += 1
        if not frame.salted:
            if frame.ch == CTL and frame.payload:
                self._guard(frame, lambda: session.greeted(frame.payload, now, events))
            return
        session.heard(frame, now, events)
        if frame.vf & REL:
            self._reliable(frame, now, events)
        elif frame.ch == CTL:
            self._guard(frame, lambda: self._control(frame, now, events))
        elif frame.ch in DATAGRAMS or frame.ch in VENDOR:
            events.append(Message(frame.ch, frame.vf, frame.payload, False, now))
        else:
            self._unknown(frame)

    def _guard(self, frame: Frame, take: Callable[[], None]) -> None:
        """What cannot be understood is counted and answered, never the end."""
        try:
            take()
        except ProtocolError:
            self._session.counts["rx_invalid"] += 1
            if self._session.state == "up":
                self._error(Code.INVALID, frame)

    def _control(self, frame: Frame, now: int, events: list[Event]) -> None:
        session, payload = self._session, frame.payload
        kind = payload[0] if payload else 0
        box = session.config.role == "box"
        match kind:
            case Type.ACK:
                for record in control.decode_ack(payload):
                    session.sending[record.sid].reported(record.ack, record.credit, record.bitmap, now)
            case Type.PING:
                session.pong(Ping.decode(payload), now)
            case Type.PONG:
                pong = Pong.decode(payload)
                session.time.add(pong.t1, pong.t2, pong.t3, now)
            case Type.BAUD_REQ if not box:
                session.baud_asked(control.decode_baud(payload))
            case Type.BAUD_OK | Type.BAUD_PROBE:
                session.baud_answered(payload, now, events)
            case Type.RESET if box:
                session.end("peer asked", now, events)
            case Type.BYE:
                session.end("peer closed", now, events)
            case Type.STATS:
                self._stats(control.decode_stats(payload), events)
            case Type.AUTH_FAIL:
                control.decode_auth_fail(payload)
                events.append(AuthFailed(here=False))
            case Type.ERROR:
                events.append(PeerError(*control.decode_error(payload)))
            case _:
                self._unknown(frame)

    def _reliable(self, frame: Frame, now: int, events: list[Event]) -> None:
        stream = self._session.receiving[frame.sid]
        untagged = self._untagged(frame, stream)
        if untagged is None:
            self._auth_failed(frame, now, events)
            return
        for ready in stream.accept(untagged, now):
            ch = ready.ch
            if STREAM_OF.get(ch, ready.sid) != ready.sid:
                self._unknown(ready)
            elif ch == IMAGE:
                events += self._session.images.take(ready.vf, ready.payload)
            elif ch in STREAM_OF or ch in VENDOR:
                events.append(Message(ch, ready.vf, ready.payload, True, now))
            else:
                self._unknown(ready)

    def _untagged(self, frame: Frame, stream: ReceiveStream) -> Frame | None:
        """The frame without its tag, which is right; ``None`` if it is not, or lacks where it must be."""
        terms = self._session.terms
        key = None if terms is None else terms.key
        if not frame.vf & AUTH:
            return None if key is not None and frame.ch in TAGGED else frame
        number = stream.number(frame.seq)
        if key is None or len(frame.payload) < TAG_SIZE or number < 0:
            return None
        body, given = frame.payload[:-TAG_SIZE], frame.payload[-TAG_SIZE:]
        right = tag(key, self._peer, number, frame.vf, frame.ch, frame.sid, body)
        return frame._replace(payload=body) if compare_digest(given, right) else None

    def _auth_failed(self, frame: Frame, now: int, events: list[Event]) -> None:
        self._session.counts["rx_auth_failed"] += 1
        events.append(AuthFailed(here=True))
        if self._auth_fail_us is None or now - self._auth_fail_us >= AUTH_FAIL_GAP_US:
            self._auth_fail_us = now
            sid, seq = frame.sid, frame.seq
            self._session.out.say(lambda now: control.encode_auth_fail(sid, seq))

    def _unknown(self, frame: Frame) -> None:
        self._session.counts["rx_unknown"] += 1
        self._error(Code.UNKNOWN, frame)

    def _error(self, code: Code, frame: Frame) -> None:
        if frame.ch == CTL and frame.payload[:1] == bytes((Type.ERROR,)):
            return  # errors about errors would never end
        ch, seq = frame.ch, frame.seq
        self._session.out.say(lambda now: control.encode_error(code, ch, seq))

    def _stats(self, counters: dict[int, int] | None, events: list[Event]) -> None:
        if counters is not None:
            events.append(PeerStats(counters))
            return
        limit = self._session.require().maxpl
        self._session.out.say(lambda now: control.encode_stats(self._statistics(), limit))
