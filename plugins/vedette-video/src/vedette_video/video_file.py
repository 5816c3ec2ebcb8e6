"""The source ``video``: every picture of a video file, in order."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock
from vedette.specs import Capture, SourceInfo
from vedette_video.locate import local_path
from vedette_video.orientation import orientation_of
from vedette_video.params import VideoParams
from vedette_video.pixels import to_pixels
from vedette_video.reader import Reader
from vedette_video.timeline import Timeline
from vedette_video.units import unit_of

logger = logging.getLogger("vedette.video")

Picture = tuple[VideoFrame, int, bool]
"""A decoded frame, its media time in nanoseconds, and whether time began anew with it."""
DEFAULT_RATE = Fraction(25)
"""Pictures per second of a file that does not say."""


class VideoFile:
    """Reads a video file with FFmpeg.

    Pictures are views into FFmpeg's buffers (see :mod:`vedette_video.pixels`). The clock's ``media_ns`` is the time of
    presentation from the beginning of the stream, its ``mono_ns`` and ``wall_ns`` the time of reading. A turned phone
    video comes as it is stored, with its ``orientation``. Where time stamps go back by more than a second the medium
    began anew: the epoch rises, as it does with each turn of ``loop``.

    A file that is cut short or damaged delivers every picture that can be decoded, and then ends with
    :class:`~vedette.errors.SourceError` in place of :class:`~vedette.errors.EndOfStream`.
    """

    def __init__(self, path: Path, params: VideoParams) -> None:
        self._path = path
        self._params = params
        self._epoch = self._seq = 0
        self._closed = False
        self._reader, self._pictures = self._rewind()
        first = next(self._pictures, None)
        if first is None:
            raise SourceError(
                f"{path} holds no picture at or after {params.start_s:g} s", fix="set an earlier start_s"
            )
        self._pictures = itertools.chain([first], self._pictures)
        stream = self._reader.stream
        whole = not (params.start_s or params.stop_s or params.loop)
        width, height = first[0].width, first[0].height
        self.info = SourceInfo(
            live=False,
            size_wh=(height, width) if orientation_of(first[0]) in (90, 270) else (width, height),
            rate_hz=float(stream.average_rate) if stream.average_rate else None,
            frames=(stream.frames or None) if whole else None,
        )

    def read(self, timeout_s: float) -> Capture:
        """The next picture. A file never keeps waiting: ``timeout_s`` is not needed."""
        if self._closed:
            raise SourceError(f"{self._path} is closed")
        picture = next(self._pictures, None)
        if picture is None:
            if not self._params.loop:
                raise EndOfStream
            self._begin_epoch()
            self._reader, self._pictures = self._rewind()
            if (picture := next(self._pictures, None)) is None:
                raise SourceError(f"{self._path} has changed: it no longer holds a picture")
        frame, media_ns, anew = picture
        if anew:
            self._begin_epoch()
        self._seq += 1
        try:
            image = to_pixels(frame, self._params.matrix, self._params.range)
        except SourceError as error:
            raise SourceError(f"{self._path}: {error.message}", fix=error.fix) from error
        return Capture(
            image=image,
            clock=Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns(), media_ns=media_ns, origin="pts"),
            seq=self._seq - 1,
            epoch=self._epoch,
            orientation=orientation_of(frame),
            units=self._reader.notes.take(),
            unit=unit_of(frame),
        )

    def close(self) -> None:
        self._closed = True
        self._reader.close()

    def _rewind(self) -> tuple[Reader, Iterator[Picture]]:
        reader, pictures = _open_before(self._params.start_s, self._path, self._params)
        return reader, _timed(reader, pictures, self._params)

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._seq = 0


def open_video(uri: str, params: VideoParams) -> VideoFile:
    """Open the file that ``uri`` names."""
    return VideoFile(Path(local_path(uri) or uri), params)


def _open_before(start_s: float, path: Path, params: VideoParams) -> tuple[Reader, Iterator[VideoFrame]]:
    """An open file and its pictures, the first of them at or before ``start_s``."""
    reader = Reader(path, params)
    if start_s:
        start = reader.zero + int(start_s / Fraction(reader.stream.time_base or 1))
        try:
            reader.seek(start)
            pictures = reader.pictures()
            first = next(pictures)
            if (reader.ticks(first) or 0) <= start:
                return reader, itertools.chain([first], pictures)
        except (SourceError, StopIteration) as error:
            logger.info("%s: reading from the beginning up to %g s: %s", path, start_s, error)
        reader.close()
        reader = Reader(path, params)
    return reader, reader.pictures()


def _timed(reader: Reader, pictures: Iterator[VideoFrame], params: VideoParams) -> Iterator[Picture]:
    """The pictures between ``start_s`` and ``stop_s``."""
    unit_s = Fraction(reader.stream.time_base or 1)
    rate = Fraction(reader.stream.average_rate or reader.stream.guessed_rate or DEFAULT_RATE)
    timeline = Timeline(unit_s, reader.zero, round(1_000_000_000 / rate))
    start_ns = round(params.start_s * 1e9) if params.start_s else None
    stop_ns = round(params.stop_s * 1e9) if params.stop_s else None
    for frame in pictures:
        media_ns, anew = timeline.stamp(reader.ticks(frame))
        if stop_ns is not None and media_ns >= stop_ns:
            reader.check(complete=False)
            break
        if start_ns is None or media_ns >= start_ns:
            start_ns = None
            yield frame, media_ns, anew
    if timeline.replaced:
        logger.info("%d time stamps were missing or faulty and were replaced", timeline.replaced)
    reader.close()
