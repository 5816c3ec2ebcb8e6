"""The life of a session: opened, watched, ended; its baud rate. PROTOCOL.md, section 3. Times in microseconds."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from vedette_bridge.errors import LinkDownError, ParameterError
from vedette_bridge.vlp import control
from vedette_bridge.vlp.baud import BaudEvent, BoxBaud, DeviceBaud, SwitchBaud
from vedette_bridge.vlp.config import MAX_WELCOME, LinkConfig
from vedette_bridge.vlp.control import PROBE_SIZE, Ping, Pong, Type
from vedette_bridge.vlp.events import Down, DownReason, Event, Refused, Up
from vedette_bridge.vlp.frame import BULK, CONTROL, Frame, stall_us
from vedette_bridge.vlp.images import ImageAssembler
from vedette_bridge.vlp.opening import (
    BoxOpening,
    DeviceOpening,
    HalfOpen,
    PeerForgot,
    Random,
    Terms,
)
from vedette_bridge.vlp.parser import Parser
from vedette_bridge.vlp.receiving import ReceiveStream
from vedette_bridge.vlp.rtt import RoundTrip
from vedette_bridge.vlp.security import TAGGED
from vedette_bridge.vlp.sending import SendStream
from vedette_bridge.vlp.timing import BURST, BURST_GAP_US, GAP_US, TimeSync
from vedette_bridge.vlp.transmit import Transmitter

HEARTBEAT_US = 250_000
MIN_DOUBT_US, MAX_DOUBT_US = 100_000, 500_000

State = Literal["closed", "opening", "half-open", "up"]


class Session:
    """What one side knows of the session that it has or looks for, and all that ends with it.

    Attributes
    ----------
    state, terms
        ``terms`` are those of the session, ``None`` without one.
    switching_to
        A rate that the shell was asked for and has not reported yet: nothing may leave before.
    """

    def __init__(self, config: LinkConfig, random: Random) -> None:
        box = config.role == "box"
        limits = config.limits
        self.config = config
        self.state: State = "closed"
        self.terms: Terms | None = None
        self.switching_to: int | None = None
        self.counts: Counter[str] = Counter()
        self.time = TimeSync()
        self.rtt = RoundTrip()
        self.images = ImageAssembler(limits.max_image)
        self.parser = Parser(max(limits.maxpl, MAX_WELCOME) if box else limits.maxpl)
        self.sending = tuple(SendStream(self.rtt, limits.queue_bytes) for _ in (CONTROL, BULK))
        self.receiving = (ReceiveStream(CONTROL), ReceiveStream(BULK))
        self.out = Transmitter(config.role, self.sending, self.receiving, self.counts)
        self.out.baud = config.start_baud
        self._opening = BoxOpening(config, random) if box else DeviceOpening(config, random)
        self._rate = BoxBaud() if box else DeviceBaud()
        self._heard_us = self._asked_room_us = 0
        self._ping_us: int | None = None
        self._pings = 0
        self._doubt_us: int | None = None

    def require(self) -> Terms:
        """The terms of the session; :class:`LinkDownError` unless there is one that can carry data."""
        if self.terms is None or self.state != "up":
            raise LinkDownError("the link has no session", fix="wait for the other side, or check the cable")
        return self.terms

    # --- its beginning

    def open(self, now: int) -> None:
        """Look for one."""
        self.state = "opening"
        self.parser.salt = 0
        self._opening.begin(now)
        self.out.only = self._opening

    def greeted(self, payload: bytes, now: int, events: list[Event]) -> None:
        """HELLO, WELCOME or BOOT came."""
        if isinstance(self._opening, DeviceOpening):
            if payload[0] == Type.HELLO:
                self._hello(self._opening, payload, now, events)
        elif payload[0] == Type.WELCOME:
            self._welcome(self._opening, payload, now, events)
        elif payload[0] == Type.BOOT:
            self._opening.booted(now)
            if self.state == "up" and self._doubt_us is None:
                self._doubt_us = now + min(max(MIN_DOUBT_US, 2 * self.rtt.rto_us), MAX_DOUBT_US)
                self.ping()

    def heard(self, frame: Frame, now: int, events: list[Event]) -> None:
        """A valid frame of the session came, whatever it says."""
        self._heard_us, self._doubt_us = now, None
        if isinstance(self._opening, DeviceOpening):
            self._opening.heard()
            if self.state == "half-open":
                self._established(now, events)
        if isinstance(self._rate, DeviceBaud) and self._rate.active:
            self._changed(self._rate.heard(frame), events)
        self.sending[frame.sid].acknowledged(frame.ack, frame.credit, now)

    def _hello(self, opening: DeviceOpening, hello: bytes, now: int, events: list[Event]) -> None:
        welcome, terms = opening.greeted(hello, self.state == "up", now)
        if terms is not None:
            if self.state == "up":
                self.end("peer restarted", now, events)
            self._begin(terms, now)
            self.state, self.out.only = "half-open", HalfOpen()
        if welcome:
            self.out.greet(welcome)

    def _welcome(self, opening: BoxOpening, welcome: bytes, now: int, events: list[Event]) -> None:
        match opening.welcomed(welcome):
            case Terms() as terms:
                self._begin(terms, now)
                self._established(now, events)
            case Refused() as refused:
                events.append(refused)
            case PeerForgot():
                self.end("peer restarted", now, events)

    def _begin(self, terms: Terms, now: int) -> None:
        """Both streams afresh, under the new salt."""
        self.terms = self.out.terms = terms
        self.parser.salt = terms.session
        self._restart_streams(terms)
        self.rtt.restart()
        self._heard_us = now
        self._ping_us = None

    def _established(self, now: int, events: list[Event]) -> None:
        self.state, self.out.only = "up", None
        terms = self.require()
        self._heard_us = self.out.sent_us = now
        self.counts["sessions"] += 1
        self.time.restart()
        if self.config.role == "box":
            self._pings, self._ping_us = 0, now
        events.append(
            Up(
                session=terms.session,
                maxpl=terms.maxpl,
                window=terms.window,
                paired=terms.key is not None,
                caps=terms.caps,
                identity=terms.identity,
            )
        )

    # --- its end

    def end(self, reason: DownReason, now: int, events: list[Event]) -> None:
        """It is over; look for another. The start rate is where both sides meet again."""
        was_up = self.state == "up"
        failed = self._forget()
        events += self.images.restart()
        if was_up:
            events.append(Down(reason, failed))
        start = self.config.start_baud
        if start is not None and start != (self.switching_to or self.out.baud):
            self.switching_to = start
            events.append(SwitchBaud(start))
        self.open(now)

    def close(self) -> None:
        """It is over, and no other is wanted."""
        self._forget()
        self.images.restart()
        self.state = "closed"
        self.parser.salt = 0
        self.parser.clear()
        self.out.baud, self.switching_to = self.config.start_baud, None

    def _forget(self) -> int:
        """Nothing that belonged to the session is of use; how many messages did not get through."""
        self.terms = self.out.terms = None
        self._doubt_us = self._ping_us = None
        self.out.clear()
        self._rate.reset()
        return self._restart_streams(None)

    def _restart_streams(self, terms: Terms | None) -> int:
        window = 1 if terms is None else terms.window
        tagged = TAGGED if terms is not None and terms.key is not None else frozenset[int]()
        for receiving in self.receiving:
            receiving.restart(window)
        return sum(
            sending.restart(window, in_order=terms is not None and terms.in_order, tagged=tagged)
            for sending in self.sending
        )

    # --- its rate

    def ask_baud(self, baud: int, now: int) -> None:
        """Box: try another rate.

        Raises
        ------
        LinkDownError
            There is no session.
        ParameterError
            This side does not ask, the pipe has no rate, the frames are too short, or a change is under way.
        """
        terms = self.require()
        if not isinstance(self._rate, BoxBaud) or self.out.baud is None:
            raise ParameterError("only the box changes the rate, and only of a line that has one")
        if terms.maxpl < PROBE_SIZE:
            raise ParameterError(f"frames of {terms.maxpl} bytes cannot carry the probes of a rate")
        if self._rate.active:
            raise ParameterError(f"{baud} baud cannot be tried while another rate is")
        self._rate.ask(self.out.baud, baud, now)
        self._hold_data()

    def baud_asked(self, baud: int) -> None:
        """Device: the box wants another rate."""
        if isinstance(self._rate, DeviceBaud) and self.terms is not None:
            able = self.out.baud is not None and self.terms.maxpl >= PROBE_SIZE
            self._rate.asked(self.out.baud or 0, baud, able and baud in self.config.bauds)
            self._hold_data()

    def baud_answered(self, payload: bytes, now: int, events: list[Event]) -> None:
        """BAUD_OK or BAUD_PROBE came."""
        self._changed(self._rate.receive(payload, now), events)

    def baud_switched(self, baud: int, now: int, events: list[Event]) -> None:
        """The port has another rate."""
        self.out.baud = baud
        if baud != self.switching_to:
            return  # one that is not wanted any more; the shell has been told of another since
        self.switching_to = None
        self.out.line_is_free(now)
        self.parser.clear()
        for stream in self.sending:
            stream.postpone(now)
        self._changed(self._rate.switched(now), events)

    def _changed(self, changes: list[BaudEvent], events: list[Event]) -> None:
        for change in changes:
            if isinstance(change, SwitchBaud):
                self.switching_to = change.baud
            elif self.config.role == "box":
                self.ping()
        events += changes
        self._hold_data()

    def _hold_data(self) -> None:
        """While the rate changes nothing goes but what is about it."""
        if self.state == "up":
            self.out.only = self._rate if self._rate.active else None

    # --- time

    def take_output(self, now: int) -> bytes:
        """Bytes to write now."""
        if self.switching_to is not None:
            return b""
        data = self.out.take(now)
        if self.out.only is self._rate:
            self._hold_data()  # what was taken may have been its last word
        return data

    def watch(self, now: int, events: list[Event]) -> None:
        """Silence, answers that do not come, and what keeps the link awake."""
        if self.state not in ("up", "half-open"):
            return
        if now - self._heard_us >= self.config.limits.timeout_us:
            self.end("silent", now, events)
        elif self._doubt_us is not None and now >= self._doubt_us:
            self.end("peer restarted", now, events)
        elif self._rate.active:
            self._changed(self._rate.poll(now), events)
        elif self.state == "up":
            if all(stream.expire(now) for stream in self.sending):
                self._keep_awake(now)
            else:
                self.end("no answer", now, events)

    def due_us(self, now: int) -> int | None:
        """When to :meth:`watch`, or something may leave."""
        dues = [] if self.switching_to is not None else [self.out.due_us(now)]
        if self.state in ("up", "half-open"):
            dues += [self._heard_us + self.config.limits.timeout_us, self._doubt_us]
        if self._rate.active:
            dues.append(self._rate.due_us)
        elif self.state == "up":
            dues += [self.out.sent_us + HEARTBEAT_US, self._ping_us]
            for stream in self.sending:
                dues.append(stream.due_us)
                if stream.held_back:
                    dues.append(self._asked_room_us + HEARTBEAT_US)
        return min((due for due in dues if due is not None), default=None)

    @property
    def stall_us(self) -> int:
        """How long a partial frame may wait for its next byte."""
        return stall_us(self.out.baud, (self.terms or self.config.limits).maxpl)

    def ping(self) -> None:
        """Are you there?"""
        number = self.counts["tx_pings"]
        self.counts["tx_pings"] += 1
        self.out.say(lambda now: Ping(number & 0xFFFFFFFF, now).encode())

    def pong(self, ping: Ping, t2: int) -> None:
        """The answer, and what came of both streams: an acknowledgement that was lost is so made good."""
        self.out.say(lambda now: Pong(ping.id, ping.t1, t2, now).encode())
        self.out.say(lambda now: control.encode_ack([stream.record() for stream in self.receiving]))

    def _keep_awake(self, now: int) -> None:
        wants_room = any(stream.held_back for stream in self.sending)
        if wants_room and now - self._asked_room_us >= HEARTBEAT_US:
            self._asked_room_us = now
            self.ping()
        elif now - self.out.sent_us >= HEARTBEAT_US:
            self.out.sent_us = now  # it is queued; the line may be busy
            self.ping()
        elif self._ping_us is not None and now >= self._ping_us:
            self._pings += 1
            self._ping_us = now + (BURST_GAP_US if self._pings < BURST else GAP_US)
            self.ping()
