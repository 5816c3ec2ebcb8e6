"""A stream that is taken up where its last run stopped: what was done is passed over, its state goes on."""

from __future__ import annotations

import logging
import time

from vedette.errors import SourceError
from vedette.frame import Frame
from vedette.pipeline.checkpoint import Position, Saved, StateStore
from vedette.pipeline.config import Stream
from vedette.pipeline.state import StreamState
from vedette.secrets import redacted
from vedette.specs import Capture, SourceInfo

log = logging.getLogger("vedette.pipeline")


class Resuming:
    """Saves the state of one stream from time to time and at its end, and takes it up again at its start.

    A file is read again up to the latest frame that the state is made of; what comes before is dropped (``resumed``). A
    camera goes on with what it shows now, in the same epoch: a stage that knows time finds the gap.
    """

    def __init__(self, store: StateStore, config: Stream, info: SourceInfo, every_s: float) -> None:
        self._store = store
        self._name = config.name
        self._info = info
        self._every_s = every_s
        self._source = f"{redacted(config.source)} {info.frames or ''} {info.size_wh or ''}".rstrip()
        self._due_s = time.monotonic() + every_s
        self._position: Position | None = None
        self._saved = store.load(config.name, self._source)
        self.found = self._saved is not None
        self.ticket = self._saved.ticket if self._saved else 0
        """Of the first frame."""
        self.epochs = self._saved.epoch if self._saved and info.live else 0
        """To be added to the source's own."""
        if self._saved is not None:
            age_s = max(0.0, (time.time_ns() - self._saved.position.wall_ns) / 1e9)
            log.info(
                "stream %r: goes on at frame %d with the state of %.1f s ago", self._name, self.ticket, age_s
            )

    def passed(self, capture: Capture) -> bool:
        """Whether ``capture`` was done by the run before.

        Raises
        ------
        SourceError
            The source is not the one that the state was saved from.
        """
        if self._saved is None or not self.searching:
            return False
        last = self._saved.position
        here, there = (capture.epoch, capture.seq), (last.epoch, last.seq)
        if here > there or (here == there and capture.clock.media_ns != last.media_ns):
            raise self.not_found()
        if here == there:
            self._position = last
        return True

    @property
    def searching(self) -> bool:
        """The frame that the saved state ends with has not come yet."""
        return self._saved is not None and not self._info.live and self._position is None

    def not_found(self) -> SourceError:
        """For a source that has not got that frame."""
        return SourceError(
            f"stream {self._name!r}: the frame that its saved state ends with is not in its source",
            fix=f"the source has changed: remove {self._store.path(self._name)}",
        )

    def admitted(self, frame: Frame, epoch: int, state: StreamState) -> None:
        """``frame`` is the latest now; with the first one the saved state is taken up. ``epoch``: the source's own."""
        clock = frame.clock
        capture_ns = clock.mono_ns if clock.media_ns is None else clock.media_ns
        if self._saved is not None:
            shift_ns = 0
            if self._info.live or clock.media_ns is None:
                last = self._saved.position
                shift_ns = (capture_ns - clock.wall_ns) - (last.capture_ns - last.wall_ns)
            state.resume(self._saved.places, shift_ns)
            self._saved = None
        self._position = Position(
            epoch=epoch, seq=frame.seq, media_ns=clock.media_ns, capture_ns=capture_ns, wall_ns=clock.wall_ns
        )
        self._epoch = frame.epoch

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._due_s

    def save(self, state: StreamState, ticket: int) -> None:
        """Save, between two packets; ``ticket`` is that of the next frame."""
        self._due_s = time.monotonic() + self._every_s
        if self._position is None or self._saved is not None:
            return
        self._store.keep(
            Saved(
                pipeline=self._store.pipeline,
                stream=self._name,
                source=self._source,
                live=self._info.live,
                ticket=ticket,
                epoch=self._epoch,
                position=self._position,
                places=state.save(),
            )
        )

    def over(self, state: StreamState) -> bool:
        """The source is exhausted: nothing is left to go on with. ``True``: it ended before a frame took up the state,
        which is now there to be ended."""
        self._store.forget(self._name)
        if self._saved is None:
            return False
        state.resume(self._saved.places, 0)
        return True
