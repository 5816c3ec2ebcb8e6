"""The source ``recording``: what a stream captured, as it was captured."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Image
from vedette.recording.format import ADMITTED, DecodedImage
from vedette.recording.reading import Entry, Recording
from vedette.specs import Capture, Coding, SourceInfo
from vedette_video.locate import local_path
from vedette_video.params import RecordingParams
from vedette_video.pixels import to_pixels
from vedette_video.units import colours_of, decode_units, unit_of

SLICE_S = 0.02
"""Longest wait in one :meth:`Replay.read`, so that whoever asks is not kept from other work."""


class Replay:
    """Reads a recording.

    The captures have the clocks, numbers, epochs and orientation of those that were recorded, and the same pixels:
    units go through a decoder that is set up as the first one was, all else is stored bit for bit. An image that the
    recorded run dropped is left out, so that the pipeline sees what it saw then. Not live: none is lost.

    It ends as the recorded source did: where that failed, with its :class:`~vedette.errors.SourceError`. A recording
    that was cut off ends with its last whole image, and the log says so.
    """

    def __init__(self, folder: Path, params: RecordingParams) -> None:
        self._folder = folder
        self._params = params
        self._recording = Recording(folder)
        self._closed = False
        self._lag_ns: int | None = None
        self._pictures: DecodedPictures | None = None
        self._captures = self._replay()
        try:
            self._next = next(self._captures, None)
        except SourceError:
            self._recording.close()
            raise
        header = self._recording.header
        self.info = SourceInfo(
            live=False, rate_hz=header.rate_hz, size_wh=_upright(self._next) if self._next else None
        )

    def read(self, timeout_s: float) -> Capture | None:
        """The next image; with ``pace = "real"`` ``None`` as long as it is not due."""
        if self._closed:
            raise SourceError(f"the recording {self._folder} is closed")
        self._next = self._next or next(self._captures, None)
        if self._next is None:
            self._end()
        if not self._due(self._next, timeout_s):
            return None
        capture, self._next = self._next, None
        return capture

    def close(self) -> None:
        self._closed = True
        self._captures.close()
        self._recording.close()

    def _due(self, capture: Capture, timeout_s: float) -> bool:
        if self._params.pace == "fast":
            return True
        now_ns = time.monotonic_ns()
        if self._lag_ns is None:
            self._lag_ns = now_ns - capture.clock.mono_ns
        wait_s = (capture.clock.mono_ns + self._lag_ns - now_ns) / 1e9
        time.sleep(max(0.0, min(wait_s, timeout_s, SLICE_S)))
        return wait_s <= min(timeout_s, SLICE_S)

    def _replay(self) -> Generator[Capture, None, None]:
        for entry in self._recording.entries():
            line = entry.line
            if line.coding is not None:
                self._pictures = DecodedPictures(self._recording, entry, line.coding)
            if line.fate != ADMITTED and not self._params.dropped:
                continue
            yield Capture(
                image=self._image(entry),
                clock=line.clock,
                seq=line.seq,
                epoch=line.epoch,
                orientation=line.orientation,
            )

    def _image(self, entry: Entry) -> Image:
        stored = entry.line.image
        if not isinstance(stored, DecodedImage):
            return self._recording.image(stored)
        if self._pictures is None:
            raise SourceError(f"{self._folder}: an image before its decoder; the recording is damaged")
        return self._pictures.image(stored.number)

    def _end(self) -> NoReturn:
        end = self._recording.end
        if end is not None and end.why == "source_failed":
            raise SourceError(f"the recorded source failed here: {end.message}")
        raise EndOfStream


class DecodedPictures:
    """The pictures of one decoder, from ``entry`` on, found by the number of their unit."""

    def __init__(self, recording: Recording, entry: Entry, coding: Coding) -> None:
        self._folder = recording.folder
        self._matrix, self._range = colours_of(coding)
        self._frames = decode_units(coding, recording.units(entry))

    def image(self, number: int) -> Image:
        """The picture of unit ``number``; those before it are passed over."""
        for frame in self._frames:
            if unit_of(frame) == number:
                return to_pixels(frame, self._matrix, self._range)
        raise SourceError(
            f"{self._folder}: the picture of unit {number} cannot be decoded",
            fix="replay it with the version of vedette-video and PyAV that recorded it",
        )


def open_recording(uri: str, params: RecordingParams) -> Replay:
    """Open the folder that ``uri`` names.

    Raises
    ------
    SourceError
        It is no recording, or of another version.
    """
    return Replay(Path(local_path(uri) or uri), params)


def _upright(capture: Capture) -> tuple[int, int]:
    w, h = capture.image.size_wh
    return (w, h) if capture.orientation in (0, 180) else (h, w)
