"""One side of a link, without input or output: bytes in, events out, bytes to send when there is time for them.

The owner gives it bytes (:meth:`Link.feed`), calls :meth:`Link.poll` when :attr:`Link.due_us` has come, and writes
what :meth:`Link.take_output` gives. Nothing blocks, nothing reads a clock but the one that was given.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

from vedette_bridge.errors import ParameterError
from vedette_bridge.vlp import control
from vedette_bridge.vlp.clock import Clock, SteadyClock
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Event
from vedette_bridge.vlp.frame import BULK, CONTROL, DATAGRAMS, FIRST, FWUP, IMAGE, MORE, STREAM_OF, VENDOR
from vedette_bridge.vlp.incoming import Incoming
from vedette_bridge.vlp.messages import ImageHeader
from vedette_bridge.vlp.opening import Random, Terms
from vedette_bridge.vlp.rtt import RoundTrip
from vedette_bridge.vlp.security import TAG_SIZE, TAGGED
from vedette_bridge.vlp.sending import Outgoing
from vedette_bridge.vlp.session import Session, State
from vedette_bridge.vlp.timing import TimeSync

STATISTICS = (
    "rx_frames",
    "tx_frames",
    "rx_bytes",
    "tx_bytes",
    "rx_skipped_bytes",
    "rx_bad_header",
    "rx_bad_payload",
    "rx_duplicates",
    "tx_again",
    "rx_auth_failed",
    "rx_invalid",
    "sessions",
    "tx_images_aborted",
)
"""The counters of STATS, by their numbers on the wire."""


class Link:
    """One side of a link.

    Parameters
    ----------
    config
        Role, limits, key, identity.
    clock
        Microseconds of a monotonic clock.
    random
        ``random(n)`` gives ``n`` unforeseeable bytes.
    """

    def __init__(self, config: LinkConfig, clock: Clock, random: Random = os.urandom) -> None:
        self.config = config
        self._clock = SteadyClock(clock)
        self._session = Session(config, random)
        self._incoming = Incoming(self._session, self._numbered)
        self._byte_us = 0

    @property
    def state(self) -> State:
        """``closed`` before :meth:`start`; ``opening`` without a session; ``half-open``: a device that has answered and
        not yet heard; ``up``."""
        return self._session.state

    @property
    def terms(self) -> Terms | None:
        """What the session was opened with; ``None`` without one."""
        return self._session.terms

    @property
    def time(self) -> TimeSync:
        """The other side's clock."""
        return self._session.time

    @property
    def rtt(self) -> RoundTrip:
        """How long answers take."""
        return self._session.rtt

    # --- bytes and time

    def start(self) -> None:
        """Begin: the box to greet, the device to say that it is there. The port has the start rate, and input that
        waited in it was dropped."""
        if self.state == "closed":
            self._session.open(self._clock())

    def close(self) -> bytes:
        """Say goodbye: the last bytes to write. What was on its way has failed."""
        data = self._session.out.goodbye() if self.state == "up" else b""
        self._session.close()
        return data

    def feed(self, data: bytes) -> list[Event]:
        """Bytes that came. Feed all that there is before :meth:`poll`: what waits in the port is not silence."""
        events: list[Event] = []
        if self.state == "closed" or not data:
            return events
        now = self._byte_us = self._clock()
        parser, take = self._session.parser, self._incoming.take
        self._session.counts["rx_bytes"] += len(data)
        parser.push(data)
        while (frame := parser.pull()) is not None:
            take(frame, now, events)
        return events

    def poll(self) -> list[Event]:
        """What time has brought."""
        events: list[Event] = []
        if self.state == "closed":
            return events
        now = self._clock()
        parser = self._session.parser
        if parser.partial and now - self._byte_us >= self._session.stall_us:
            while (frame := parser.pull_stalled()) is not None:
                self._incoming.take(frame, now, events)
        self._session.watch(now, events)
        return events

    def take_output(self) -> bytes:
        """Bytes to write now; empty when there are none, or the line is busy with what it was given."""
        return b"" if self.state == "closed" else self._session.take_output(self._clock())

    @property
    def due_us(self) -> int | None:
        """When to call :meth:`poll` and :meth:`take_output` again, if nothing comes before; ``None``: not at all."""
        if self.state == "closed":
            return None
        due = self._session.due_us(self._clock())
        if self._session.parser.partial:
            stalled = self._byte_us + self._session.stall_us
            due = stalled if due is None else min(due, stalled)
        return None if due is None else due - self._clock.ahead

    # --- messages

    def send(self, ch: int, payload: bytes, *, sid: int | None = None, flags: int = 0) -> Outgoing:
        """Queue a message of one frame on its reliable stream; ``sid`` chooses it on a vendor's channel (else bulk),
        ``flags`` may have FIRST and MORE.

        Raises
        ------
        LinkDownError
            There is no session.
        ParameterError
            It is too long, or the channel or the stream cannot be sent on.
        QueueFullError
            Too much waits already.
        """
        longest = self.longest(ch)
        stream = STREAM_OF.get(ch, BULK if sid is None else sid)
        if stream not in (CONTROL, BULK) or ch == IMAGE or not (ch in STREAM_OF or ch in VENDOR):
            raise ParameterError(f"channel {ch} does not take messages of one frame on stream {stream}")
        if len(payload) > longest:
            raise ParameterError(f"{len(payload)} bytes on channel {ch}: a frame takes {longest}")
        message = Outgoing(ch, payload, memoryview(b""), flags=flags & (FIRST | MORE))
        self._session.sending[stream].put(message)
        return message

    def send_split(self, ch: int, head: bytes, body: memoryview) -> Outgoing:
        """Queue a message on the bulk stream that takes as many frames as it needs (IMAGE, FWUP). ``body`` is not
        copied: it must not change before the message is delivered. Raises as :meth:`send`."""
        self._session.require()
        if ch not in (IMAGE, FWUP):
            raise ParameterError(f"channel {ch} does not take messages of several frames")
        message = Outgoing(ch, head, body.cast("B"), split=True)
        self._session.sending[BULK].put(message)
        return message

    def send_datagram(self, ch: int, payload: bytes) -> None:
        """Send once, without any promise; dropped and counted where too many wait. Raises as :meth:`send`."""
        longest = self._session.require().maxpl
        if ch not in DATAGRAMS and ch not in VENDOR:
            raise ParameterError(f"channel {ch} does not take datagrams")
        if len(payload) > longest:
            raise ParameterError(f"{len(payload)} bytes on channel {ch}: a frame takes {longest}")
        self._session.out.send_datagram(ch, payload)

    def abort_image(self, message: Outgoing, header: ImageHeader) -> bool:
        """Send no more of an image that :meth:`send_split` queued; ``False`` if all of it has been sent already."""
        stream = self._session.sending[BULK]
        if not stream.withdraw(message):
            return False
        self._session.counts["tx_images_aborted"] += 1
        if message.started:
            aborted = replace(header, abort=True).encode()
            stream.put_first(Outgoing(IMAGE, aborted, memoryview(b""), split=True))
        return True

    def longest(self, ch: int) -> int:
        """The longest payload of one frame on this channel."""
        terms = self._session.require()
        return terms.maxpl - (TAG_SIZE if terms.key is not None and ch in TAGGED else 0)

    def give_room(self, sid: int, frames: int) -> None:
        """How many frames of a stream the owner can take at a time, from now on: 0 stops the other side, losing
        nothing. What was promised before may still come."""
        self._session.receiving[sid].give_room(frames)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent for the first time."""
        return sum(stream.queued_bytes for stream in self._session.sending)

    @property
    def idle(self) -> bool:
        """Whether everything that was sent is acknowledged."""
        return all(stream.idle for stream in self._session.sending)

    # --- the line

    @property
    def baud(self) -> int | None:
        """The line's rate now; ``None`` where there is none."""
        return self._session.out.baud

    def ask_baud(self, baud: int) -> None:
        """Box: try another rate; :class:`~vedette_bridge.vlp.baud.BaudSettled` tells what came of it.

        Raises
        ------
        LinkDownError
            There is no session.
        ParameterError
            This side does not ask, the pipe has no rate, the frames are too short, or a change is under way.
        """
        self._session.ask_baud(baud, self._clock())

    def baud_switched(self, baud: int) -> list[Event]:
        """The port has the rate that a ``SwitchBaud`` named. Until this is called nothing is given to write."""
        events: list[Event] = []
        self._session.baud_switched(baud, self._clock(), events)
        return events

    # --- what happened

    @property
    def counts(self) -> Counter[str]:
        """What was counted so far by the session itself; :meth:`statistics` has everything."""
        return self._session.counts

    def ask_stats(self) -> None:
        """Ask the other side for its counters."""
        self._session.require()
        self._session.out.say(lambda now: control.encode_stats(None))

    def statistics(self) -> dict[str, int]:
        """Everything that was counted, by name; those of :data:`STATISTICS` are always there."""
        session = self._session
        found = Counter(session.counts)
        found["rx_skipped_bytes"] = session.parser.skipped
        found.update({f"rx_bad_{name}": count for name, count in session.parser.rejected.items()})
        for stream in session.receiving:
            found["rx_duplicates"] += stream.duplicates
            found["rx_reordered"] += stream.reordered
            found["rx_out_of_window"] += stream.out_of_window
        found["tx_again"] = sum(stream.retransmitted for stream in session.sending)
        found["rx_images"] = session.images.received
        found.update({f"rx_images_{reason}": count for reason, count in session.images.lost.items()})
        return {name: found[name] for name in dict.fromkeys((*STATISTICS, *found))}

    def _numbered(self) -> dict[int, int]:
        mine = self.statistics()
        return {number: mine[name] for number, name in enumerate(STATISTICS)}
