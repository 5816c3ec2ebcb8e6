"""One stream while it runs: admission, tickets, lanes, state and counts."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from vedette.errors import EndOfStream, SourceError
from vedette.events import Event
from vedette.frame import Decode, Frame
from vedette.packet import Packet
from vedette.pipeline.accounting import StreamAccount
from vedette.pipeline.config import Stream
from vedette.pipeline.faults import source_error
from vedette.pipeline.intake import AheadIntake, Intake, LatestIntake, PulledIntake
from vedette.pipeline.order import Lane
from vedette.pipeline.resuming import Resuming
from vedette.pipeline.sources import OpenedSource
from vedette.pipeline.stage_ops import PluginStageOp, SinkOp
from vedette.pipeline.state import StreamState
from vedette.pipeline.token import Program, Token
from vedette.pipeline.workers import Task, Workers
from vedette.recording.format import ADMITTED
from vedette.specs import Capture, SourceInfo

log = logging.getLogger("vedette.pipeline")

LOOK_AGAIN_S = 0.05
"""How often a stream that reads a file asks whether its sinks have room again."""


class StreamRun:
    """A stream between its source and the end of its program.

    Parameters
    ----------
    limit
        Most packets in flight at once.
    on_end
        Called once, when the source is exhausted (or failed, or the pipeline stops) and every packet is through.
    resuming
        What saves its state and takes it up again, if anything does.
    """

    def __init__(
        self,
        config: Stream,
        opened: OpenedSource,
        workers: Workers,
        decode: Decode,
        limit: int,
        on_end: Callable[[StreamRun], None],
        resuming: Resuming | None = None,
    ) -> None:
        self.name = config.name
        self.info: SourceInfo = opened.source.info
        self.outages = opened.outages
        self.recorder = opened.recorder
        self.workers = workers
        self.account = StreamAccount()
        # What a camera shows never comes again: its events must not have ids of a run before.
        self.state = StreamState(config.name, secrets.randbits(62) if self.info.live else 0)
        self.lanes: tuple[Lane, ...] = ()
        self.error: Exception | None = None
        self.undecodable_frames = 0
        self._program: Program = ()
        self._holding: tuple[SinkOp, ...] = ()
        self._held = False
        self._look_again_s = 0.0
        self._provider = opened.provider
        self._decode = opened.decode or decode
        self._limit = limit
        self._on_end = on_end
        self._lock = threading.Lock()
        self._resuming = resuming
        self._tickets = resuming.ticket if resuming else 0
        self._open = 0
        self._next: tuple[Program, Callable[[], None]] | None = None
        self._stopping = False
        self._exhausted = False
        self._complete = False
        self._ended = False
        self._aborted = False
        self._feeder = Feeder(self)
        self._intake = self._open_intake(config, opened)

    def start(self, program: Program) -> None:
        """Begin to admit frames."""
        self._set_program(program)
        self._intake.start()
        self._feeder.wake()

    def switch(self, program: Program, done: Callable[[], None]) -> None:
        """Put in another program between two packets: those in flight finish on their own, then ``done`` is called."""
        with self._lock:
            self._next = (program, done)
        self._feeder.wake()

    def stop(self) -> None:
        """Admit no more; what is in flight finishes."""
        self._stopping = True
        self._feeder.wake()

    def abort(self) -> None:
        """Admit no more; what is in flight passes its remaining operations without running them."""
        self._aborted = True
        self.stop()

    def discard(self) -> None:
        """Release the source of a stream that was never started."""
        self._ended = True
        self._close_intake()

    @property
    def aborted(self) -> bool:
        return self._aborted

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def resumed(self) -> dict[str, Any] | None:
        """The frame that it went on at after a stop, and what became of the saved state of each stage (or graph of
        one); ``None`` where it began afresh."""
        if self._resuming is None or not self._resuming.found:
            return None
        return {"frame": self._resuming.ticket, "stages": dict(self.state.resumed)}

    def finished(self, token: Token) -> None:
        """A token has walked its whole program."""
        if token.dead:
            self.account.drop("aborted")
        else:
            self.account.finish(token.packet)
        with self._lock:
            self._open -= 1
        self._feeder.wake()

    def undecodable(self, error: SourceError) -> None:
        """A frame whose pixels cannot be had."""
        self.undecodable_frames += 1
        log.warning("stream %r: %s", self.name, error)

    def feed(self) -> bool:
        """One turn of the feeder; ``True``: there may be more to do at once."""
        if self._ended:
            return False
        if self._stopping or self._exhausted:
            return self._end_if_drained()
        with self._lock:
            open_, switch = self._open, self._next
        if switch is not None:
            if open_:
                return False
            self._set_program(switch[0])
            self._next = None
            switch[1]()
        if self._resuming is not None and self._resuming.due():
            if open_:
                return False
            self._resuming.save(self.state, self._tickets)
        if open_ >= self._limit or self._waits_for_sinks():
            return False
        try:
            capture = self._intake.take()
            if capture is not None and self._resuming is not None and self._resuming.passed(capture):
                self.account.drop("resumed")
                self._fate(capture, "resumed")
                return True
        except EndOfStream:
            if self._resuming is not None and self._resuming.searching:
                self._fail(self._resuming.not_found())
            self._exhausted = self._complete = True
            return True
        except Exception as error:
            self._fail(error)
            return True
        if capture is None:
            return self._intake.pulled
        if self._held:
            self.account.drop("outbox")
            self._fate(capture, "outbox")
        else:
            self._admit(capture)
        return True

    def _waits_for_sinks(self) -> bool:
        """Look whether the sinks have room. If not, images of a file are left where they are, and looked for later."""
        held = not all(op.ready() for op in self._holding)
        if held != self._held:
            self._held = held
            what = (
                "no frames are admitted: a sink takes no more events" if held else "frames are admitted again"
            )
            log.warning("stream %r: %s", self.name, what)
        if not held or self.info.live:
            return False
        now_s = time.monotonic()
        if now_s >= self._look_again_s:
            self._look_again_s = now_s + LOOK_AGAIN_S
            self.workers.wake_at(self._look_again_s, self._feeder)
        return True

    def _open_intake(self, config: Stream, opened: OpenedSource) -> Intake:
        source, wake = opened.source, self._feeder.wake
        if self.info.live:
            return LatestIntake(source, self.account, config.name, wake, self._fate, config.max_age_ms / 1e3)
        if opened.waits:
            return AheadIntake(source, self.account, config.name, wake, self._fate)
        return PulledIntake(source, self.account)

    def _fate(self, capture: Capture, fate: str) -> None:
        """What became of a capture, for the recording."""
        if self.recorder is not None:
            self.recorder.fate(capture, fate)

    def _admit(self, capture: Capture) -> None:
        w, h = capture.image.size_wh
        frame = Frame(
            stream=self.name,
            epoch=capture.epoch + (self._resuming.epochs if self._resuming else 0),
            ticket=self._tickets,
            seq=capture.seq,
            size_wh=(w, h) if capture.orientation in (0, 180) else (h, w),
            clock=capture.clock,
            image=capture.image,
            orientation=capture.orientation,
            decode=self._decode,
        )
        if self._resuming is not None:
            self._resuming.admitted(frame, capture.epoch, self.state)
        self._fate(capture, ADMITTED)
        self._tickets += 1
        with self._lock:
            self._open += 1
        Token(self, self._program, Packet(frame)).wake()

    def _set_program(self, program: Program) -> None:
        self._program = program
        ops = [placed.op for placed in program]
        self._holding = tuple(op for op in ops if isinstance(op, SinkOp) and op.holding)
        segments = {placed.segment for placed in program if placed.segment is not None}
        self.lanes = tuple(Lane(self._tickets) for _ in segments)

    def _close_intake(self) -> None:
        """Close the source, and let go of it: a decoder's buffers are freed with it, not with this stream."""
        self._intake.close()
        del self._intake

    def _fail(self, error: Exception) -> None:
        self.error = source_error(error, self._provider)
        self._exhausted = True
        log.error("stream %r ends: %s", self.name, self.error)

    def _end_if_drained(self) -> bool:
        with self._lock:
            if self._open:
                return False
            self._ended = True
            switch, self._next = self._next, None
        self._close_intake()
        if switch is not None:
            switch[1]()
        events = self._let_go()
        if events:
            LastWords(self, self._program, events, lambda: self._on_end(self)).wake()
        else:
            self._on_end(self)
        return False

    def _let_go(self) -> list[Event]:
        """Save the state, or end it where nothing will go on with it; what there is to be said then."""
        if self._aborted:
            return []
        if self._resuming is not None and (not self._complete or self.error is not None):
            self._resuming.save(self.state, self._tickets)
            return []
        if self._resuming is not None and self._resuming.over(self.state):
            for placed in self._program:
                if isinstance(placed.op, PluginStageOp):
                    placed.op.revive(self.state)
        return self.state.finish()


class LastWords(Task):
    """Events that come when the last packet is through, on their way to the sinks."""

    def __init__(
        self, stream: StreamRun, program: Program, events: list[Event], done: Callable[[], None]
    ) -> None:
        super().__init__(stream.workers)
        self._sinks = deque(placed.op for placed in program if isinstance(placed.op, SinkOp))
        self._events = events
        self._done = done

    def step(self) -> None:
        while self._sinks:
            if not self._sinks[0].tell(self, self._events):
                return
            self._sinks.popleft()
        self.over = True
        self._done()


class Feeder(Task):
    """Admits frames of one stream as long as there is room; woken when there may be."""

    urgent = False

    def __init__(self, stream: StreamRun) -> None:
        super().__init__(stream.workers)
        self._stream = stream

    def step(self) -> None:
        if self._stream.feed():
            self.wake()
