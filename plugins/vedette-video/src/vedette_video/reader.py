"""One pass over the pictures of a video file, with an account of what could not be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vedette.errors import SourceError
from vedette_video.completeness import missing_bytes
from vedette_video.params import VideoParams
from vedette_video.units import UnitNotes

logger = logging.getLogger("vedette.video")


class Reader:
    """An open video file.

    Attributes
    ----------
    stream
        FFmpeg's video stream; the best one if there are several.
    notes
        What the decoder was given.
    zero
        The time stamp, in ticks of the stream, at which its media time begins.

    Raises
    ------
    SourceError
        There is no such file, or FFmpeg finds no video in it.
    """

    def __init__(self, path: Path, params: VideoParams) -> None:
        self._path = path
        self._missing = _check(path)
        self._container = _open(path, self._missing)
        self.stream = self._video_stream()
        # At a fault PyAV gives up the pictures that other threads still work on: a cut file is read without them.
        threads = "none" if self._missing else params.threads
        self.stream.thread_type = threads.upper()
        self.stream.thread_count = 1 if threads == "none" else params.thread_count
        self.notes = UnitNotes(
            self.stream.codec_context, Fraction(self.stream.time_base or 1), params.matrix, params.range
        )
        self.zero = self.stream.start_time or 0
        # AVI stores no presentation times: FFmpeg makes them up, out of order, but the order of decoding is exact.
        self._no_pts = self._container.format.name == "avi"
        self._faults = 0
        self._first_fault = ""
        self._fed = self._delivered = 0
        self._last_fed: int | None = None
        self._last_out: int | None = None
        if self._missing:
            logger.warning("%s is cut: %d bytes are missing from its end", path, self._missing)

    def seek(self, ticks: int) -> None:
        """Go back or forward to a picture at or before ``ticks``. In files without an index FFmpeg may miss: where it
        went is seen from the next picture.

        Raises
        ------
        SourceError
            FFmpeg cannot seek in this file.
        """
        try:
            self._container.seek(ticks, stream=self.stream)
        except FFmpegError as error:
            raise SourceError(f"{self._path}: FFmpeg cannot seek in it ({error.strerror})") from error

    def ticks(self, frame: VideoFrame) -> int | None:
        """The time stamp of a picture in ticks of the stream, if it has one."""
        return frame.dts if self._no_pts else frame.pts

    def pictures(self) -> Iterator[VideoFrame]:
        """Every picture that can be decoded, in order of presentation.

        Raises
        ------
        SourceError
            At the end, if something was missing or damaged.
        """
        for packet in self._packets():
            yield from self._decode(packet)
        yield from self._decode(None)
        if self._last_fed is not None and (self._last_out is None or self._last_out < self._last_fed):
            self._fault(self._last_fed, "the last pictures cannot be decoded")
        self.check(complete=True)
        if not self._delivered:
            raise SourceError(
                f"{self._path}: not one picture of it can be decoded", fix="copy or record the file again"
            )

    def check(self, *, complete: bool) -> None:
        """Raise :class:`SourceError` if what was read so far was damaged, or, ``complete``, if the file is cut."""
        if complete and self._missing:
            what = f"is incomplete: {self._missing} bytes are missing from its end"
        elif self._faults:
            what = f"is damaged: {self._faults} faults, the first {self._first_fault}"
        else:
            return
        raise SourceError(
            f"{self._path} {what}; {self._delivered} pictures were read, the last {self._at(self._last_out)}",
            fix="copy or record the file again",
        )

    def close(self) -> None:
        self._container.close()

    def _video_stream(self) -> VideoStream:
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            if self._missing:
                raise _without_index(self._path, self._missing)
            raise SourceError(f"{self._path} holds no video", fix="give a file with a video stream")
        if stream.codec_context is None:
            raise SourceError(
                f"{self._path}: this FFmpeg has no decoder for its video",
                fix="convert the file, for example to H.264, or install PyAV against another FFmpeg",
            )
        return stream

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:  # an empty one would tell the decoder that this is the end
                    yield packet
        except FFmpegError as error:
            self._fault(self._last_fed, str(error.strerror))

    def _decode(self, packet: Packet[VideoStream] | None) -> Iterator[VideoFrame]:
        if packet is not None:
            self.notes.note(packet)
        try:
            frames = self.stream.decode(packet)
        except FFmpegError as error:
            self._fault(packet.pts if packet else self._last_fed, str(error.strerror))
            return
        if packet is not None:
            self._fed += 1
            if packet.is_corrupt:
                # No fault yet, for so it is too where two recordings were joined: the pictures will tell.
                logger.info("%s: a gap in the data %s", self._path, self._at(packet.pts))
            if packet.pts is not None and not self._no_pts and not packet.is_discard:
                self._last_fed = max(packet.pts, self._last_fed or packet.pts)
        for frame in frames:
            ticks = self.ticks(frame)
            if frame.is_corrupt:
                self._fault(ticks, "a picture is damaged")
            if ticks is not None:
                self._last_out = max(ticks, self._last_out or ticks)
            self._delivered += 1
            yield frame

    def _fault(self, ticks: int | None, what: str) -> None:
        """Take note of damage. What comes before the first picture, as in a recording that begins anywhere, is none."""
        where = self._at(ticks)
        logger.log(logging.DEBUG if self._faults else logging.WARNING, "%s: %s %s", self._path, what, where)
        if self._fed:
            self._faults += 1
            self._first_fault = self._first_fault or f"{where} ({what})"

    def _at(self, ticks: int | None) -> str:
        if ticks is None:
            return "at an unknown time"
        return f"at {float((ticks - self.zero) * (self.stream.time_base or 0)):.2f} s"


def _check(path: Path) -> int:
    """Whether there is something to open; how many bytes it lacks."""
    try:
        if not path.stat().st_size:
            raise SourceError(f"{path} is empty (0 bytes)", fix="copy or record the file again")
        return missing_bytes(path)
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no file {path}", fix="check the path; it is relative to the working folder"
        ) from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder", fix="give a video file") from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}", fix="check its permissions") from error


def _open(path: Path, missing: int) -> InputContainer:
    try:
        return av.open(f"file:{path}", metadata_errors="replace")
    except FFmpegError as error:
        if missing:
            raise _without_index(path, missing) from error
        raise SourceError(
            f"{path} is not a video that FFmpeg can read ({error.strerror})",
            fix="check that it is a video and not damaged: ffprobe shows what FFmpeg sees in it",
        ) from error


def _without_index(path: Path, missing: int) -> SourceError:
    return SourceError(
        f"{path} cannot be read: {missing} bytes are missing from its end, and with them its index",
        fix="copy or record the file again",
    )
