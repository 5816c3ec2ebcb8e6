"""Recorder: keeps what a stream captures, beside the stream and never at its cost."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.frame import Clock, Encoded, Image, Orientation
from vedette.recording import planes
from vedette.recording.files import Full, GrowingFiles
from vedette.recording.format import (
    CaptureLine,
    DecodedImage,
    EncodedImage,
    EndLine,
    Header,
    StoredImage,
    StoredUnit,
    StoredUnits,
)
from vedette.specs import Capture, Unit

log = logging.getLogger("vedette.recording")

BACKLOG = 32 * 2**20
"""Bytes that may wait for the disk: what a crash of the process loses at most, besides the images in hand."""


@dataclass(slots=True, kw_only=True, eq=False)
class Pending:
    """One captured image on its way to the files; ``image`` is a number where it is in a unit."""

    seq: int
    epoch: int
    clock: Clock
    size_wh: tuple[int, int]
    orientation: Orientation
    image: Image | int
    units: tuple[Unit, ...]
    fate: str = ""

    @property
    def weight(self) -> int:
        """Bytes that it holds in memory."""
        held = sum(len(unit.data) for unit in self.units)
        if isinstance(self.image, int):
            return held
        if isinstance(self.image, Encoded):
            return held + len(self.image.data)
        return held + sum(plane.nbytes for plane in planes.planes_of(self.image))


class Recorder:
    """Writes a recording in a thread of its own.

    The stream tells it of every capture and of what became of it. A recording that cannot go on (the disk is full, or
    a live source is faster than the disk) ends with an error in the log and in the summary; the stream goes on.

    Parameters
    ----------
    folder
        Where to; must not exist, or be empty.
    max_bytes
        The recording ends before it grows beyond this.

    Raises
    ------
    PipelineError
        ``folder`` cannot be used.
    """

    def __init__(self, folder: Path, header: Header, max_bytes: int | None = None) -> None:
        self._folder = folder
        self._header = header
        self._max_bytes = max_bytes
        self._files = GrowingFiles(folder, header, max_bytes)
        self._track = UnitTrack(header.stream)
        self._changed = threading.Condition()
        self._queue: deque[Pending] = deque()
        self._undecided: dict[int, Pending] = {}
        self._backlog = 0
        self._captures = 0
        self._reason = EndLine(why="stopped")
        self._closing = False
        self._over: EndLine | None = None
        self._thread = threading.Thread(target=self._run, name=f"vedette-record-{header.stream}", daemon=True)
        self._thread.start()

    def captured(self, capture: Capture) -> None:
        """Take note of a capture. For a source that is not live this waits while the disk is behind."""
        image, units = self._track.follow(capture)
        pending = Pending(
            seq=capture.seq,
            epoch=capture.epoch,
            clock=capture.clock,
            size_wh=capture.image.size_wh,
            orientation=capture.orientation,
            image=image,
            units=units,
        )
        with self._changed:
            if not self._header.live:
                self._changed.wait_for(lambda: self._over or not self._behind())
            if self._over is not None:
                return
            if self._behind():
                self._end(
                    EndLine(why="failed", message="it cannot be written as fast as the source gives images")
                )
                return
            self._backlog += pending.weight
            self._queue.append(pending)
            self._undecided[id(capture)] = pending

    def fate(self, capture: Capture, fate: str) -> None:
        """What became of a capture: ``admitted``, or the reason for which it was dropped. From any thread."""
        with self._changed:
            pending = self._undecided.pop(id(capture), None)
            if pending is not None:
                pending.fate = fate
                self._changed.notify_all()

    def ended(self, why: str, message: str = "") -> None:
        """The source has ended: why, as in :class:`~vedette.recording.format.EndLine`. Without this it was stopped."""
        self._reason = EndLine(why=why, message=message)

    def close(self) -> None:
        """Write what is waiting, and end. Closing twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def to_builtins(self) -> dict[str, Any]:
        """For the summary. ``state``: ``recording``, or why it ended (:class:`~vedette.recording.format.EndLine`)."""
        with self._changed:
            over = self._over
            return {
                "folder": str(self._folder),
                "captures": self._captures,
                "bytes": self._files.size,
                "state": over.why if over else "recording",
                "error": over.message if over and over.why == "failed" else None,
            }

    def _behind(self) -> bool:
        """Whether writing is what all wait for, and not the decision about the next image."""
        return self._backlog >= BACKLOG and bool(self._queue) and self._queue[0].fate != ""

    def _run(self) -> None:
        try:
            while (pending := self._next()) is not None:
                self._write(pending)
                with self._changed:
                    self._backlog -= pending.weight
                    self._changed.notify_all()
        except Full:
            self._end(EndLine(why="full"))
        except Exception as error:
            self._end(EndLine(why="failed", message=str(error)))
        self._finish()

    def _next(self) -> Pending | None:
        """The next capture, as soon as it is known what became of it; ``None``: there will be none."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._over or self._closing or (self._queue and self._queue[0].fate)
            )
            if self._over is None and self._queue:
                pending = self._queue.popleft()
                pending.fate = pending.fate or "stopped"
                return pending
            self._over = self._over or self._reason
            return None

    def _write(self, pending: Pending) -> None:
        units = _store_units(self._files, pending.units)
        self._files.add(
            CaptureLine(
                seq=pending.seq,
                epoch=pending.epoch,
                clock=pending.clock,
                size_wh=pending.size_wh,
                orientation=pending.orientation,
                fate=pending.fate,
                image=_store_image(self._files, pending.image),
                coding=pending.units[0].coding if units is not None and units.first == 0 else None,
                units=units,
            )
        )
        with self._changed:
            self._captures += 1

    def _end(self, line: EndLine) -> None:
        """Stop recording before the stream ends, loudly."""
        with self._changed:
            self._over = self._over or line
            self._changed.notify_all()
        what = f"stream {self._header.stream!r}: the recording {self._folder} ends here, the stream goes on"
        if line.why == "full":
            log.warning("%s: it has reached its bound of %d bytes", what, self._max_bytes)
        else:
            log.error("%s: %s", what, line.message)

    def _finish(self) -> None:
        with self._changed:
            self._queue.clear()
            self._undecided.clear()
            self._backlog = 0
            self._changed.notify_all()
        assert self._over is not None
        try:
            self._files.add(self._over)
            self._files.sync()
        except OSError as error:
            if self._over.why != "failed":
                self._over = EndLine(why="failed", message=str(error))
                log.error("the recording %s could not be finished: %s", self._folder, error)
        self._files.close()
        if not self._captures and self._over.why == "stopped":
            self._files.remove()


class UnitTrack:
    """Follows the units of a stream: what a decoder is given must be whole, or it gives other pictures."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._next: int | None = None
        """Number of the unit that must come now; ``None``: the decoder's past is not all there."""

    def follow(self, capture: Capture) -> tuple[Image | int, tuple[Unit, ...]]:
        """How to keep ``capture``: the number of its unit, or else its image; and the units to keep with it."""
        units = capture.units
        begins = [index for index, unit in enumerate(units) if unit.number == 0]
        if begins:
            units, self._next = units[begins[-1] :], 0
        numbers = [unit.number for unit in units]
        if self._next is not None and numbers:
            if numbers != list(range(self._next, self._next + len(numbers))):
                log.warning(
                    "stream %r: unit %d is missing; until a decoder begins anew pixels are recorded instead",
                    self._stream,
                    self._next,
                )
                self._next = None
            else:
                self._next += len(numbers)
        if self._next is None or capture.unit is None or capture.unit >= self._next:
            return capture.image, () if self._next is None else units
        return capture.unit, units


def _store_image(files: GrowingFiles, image: Image | int) -> StoredImage:
    if isinstance(image, int):
        return DecodedImage(number=image)
    if isinstance(image, Encoded):
        at = files.put([image.data])
        return EncodedImage(fourcc=image.fourcc, size_wh=image.size_wh, name=image.name, at=at)
    return planes.describe(image, files.put([planes.compress(image)]))


def _store_units(files: GrowingFiles, units: tuple[Unit, ...]) -> StoredUnits | None:
    if not units:
        return None
    each = tuple(StoredUnit(len(unit.data), unit.pts, unit.dts, unit.key) for unit in units)
    return StoredUnits(first=units[0].number, at=files.put([unit.data for unit in units]), each=each)
