"""One stream while it runs: admission, tickets, lanes, state and counts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Decode, Frame
from vedette.packet import Packet
from vedette.pipeline.accounting import StreamAccount
from vedette.pipeline.config import Stream
from vedette.pipeline.faults import source_error
from vedette.pipeline.intake import AheadIntake, Intake, LatestIntake, PulledIntake
from vedette.pipeline.order import Lane
from vedette.pipeline.sources import OpenedSource
from vedette.pipeline.state import StreamState
from vedette.pipeline.token import Program, Token
from vedette.pipeline.workers import Task, Workers
from vedette.recording.format import ADMITTED
from vedette.specs import Capture, SourceInfo

log = logging.getLogger("vedette.pipeline")


class StreamRun:
    """A stream between its source and the end of its program.

    Parameters
    ----------
    limit
        Most packets in flight at once.
    on_end
        Called once, when the source is exhausted (or failed, or the pipeline stops) and every packet is through.
    """

    def __init__(
        self,
        config: Stream,
        opened: OpenedSource,
        workers: Workers,
        decode: Decode,
        limit: int,
        on_end: Callable[[StreamRun], None],
    ) -> None:
        self.name = config.name
        self.info: SourceInfo = opened.source.info
        self.outages = opened.outages
        self.recorder = opened.recorder
        self.workers = workers
        self.account = StreamAccount()
        self.state = StreamState(config.name)
        self.lanes: tuple[Lane, ...] = ()
        self.error: Exception | None = None
        self.undecodable_frames = 0
        self._program: Program = ()
        self._provider = opened.provider
        self._decode = opened.decode or decode
        self._limit = limit
        self._on_end = on_end
        self._lock = threading.Lock()
        self._tickets = 0
        self._open = 0
        self._next: tuple[Program, Callable[[], None]] | None = None
        self._stopping = False
        self._exhausted = False
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
        if open_ >= self._limit:
            return False
        try:
            capture = self._intake.take()
        except EndOfStream:
            self._exhausted = True
            return True
        except Exception as error:
            self._fail(error)
            return True
        if capture is None:
            return self._intake.pulled
        self._admit(capture)
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
            epoch=capture.epoch,
            ticket=self._tickets,
            seq=capture.seq,
            size_wh=(w, h) if capture.orientation in (0, 180) else (h, w),
            clock=capture.clock,
            image=capture.image,
            orientation=capture.orientation,
            decode=self._decode,
        )
        self._fate(capture, ADMITTED)
        self._tickets += 1
        with self._lock:
            self._open += 1
        Token(self, self._program, Packet(frame)).wake()

    def _set_program(self, program: Program) -> None:
        self._program = program
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
        self._on_end(self)
        return False


class Feeder(Task):
    """Admits frames of one stream as long as there is room; woken when there may be."""

    urgent = False

    def __init__(self, stream: StreamRun) -> None:
        super().__init__(stream.workers)
        self._stream = stream

    def step(self) -> None:
        if self._stream.feed():
            self.wake()
