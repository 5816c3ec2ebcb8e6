"""The sink ``video``: every frame with its findings drawn on it, encoded into a video file."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.frame import Frame
from vedette.packet import Packet
from vedette.sinks.output import OutputPath, make_parent, refuse_existing
from vedette_video.annotate import annotate
from vedette_video.params import AnnotatedVideoParams

TICKS = 60_000
"""Ticks per second of the encoded video: whole for the usual rates, and no more than MPEG-4 can express."""
X26X_OPTIONS = {"crf": "23", "preset": "veryfast"}


class AnnotatedVideo:
    """Encodes packets into one video per stream, of exactly as many pictures as there were packets.

    The first picture sets the size of the video (an odd one is padded by a line); later ones of another size are fitted
    into it between black bars. The video is written beside its final name, as ``.NAME.partial.mp4``, and gets the
    name when it is finished: by :meth:`close`, and by :meth:`abort` with all pictures up to there. A power failure
    leaves only the partial file; to keep what it holds, write Matroska (``.mkv``), which is readable without an end.
    """

    def __init__(self, params: AnnotatedVideoParams) -> None:
        self._params = params
        self._path = OutputPath(params.path)
        self._writers: dict[Path, _Writer] = {}
        if not self._path.per_stream:
            _check_path(self._path.of(""), params.mode)
        _check_encoder(self._path.of("stream"), params)

    def write(self, packet: Packet) -> None:
        stream = packet.frame.stream
        path = self._path.of(stream)
        writer = self._writers.get(path)
        if writer is None:
            _check_path(path, self._params.mode)
            writer = self._writers[path] = _Writer(path, stream, self._params)
        elif writer.stream != stream:
            raise PipelineError(
                f"{path} cannot hold the streams {writer.stream!r} and {stream!r}",
                fix="put {stream} into the path, so that each stream has its own video",
            )
        writer.write(packet)

    def write_event(self, event: Event) -> None:
        """Events are not drawn."""

    def close(self) -> None:
        errors = [error for writer in self._writers.values() if (error := writer.finish()) is not None]
        if errors:
            raise errors[0]

    def abort(self) -> None:
        self.close()


class _Writer:
    """One video file."""

    def __init__(self, path: Path, stream: str, params: AnnotatedVideoParams) -> None:
        self.stream = stream
        self._path = path
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._params = params
        self._clock = _OutputClock(params.fps)
        self._finished = False
        self._container = av.open(f"file:{self._partial}", "w")
        self._video: VideoStream | None = None

    def write(self, packet: Packet) -> None:
        picture = annotate(packet, self._params.hide)
        try:
            if self._video is None:
                self._video = _add_stream(self._container, self._params, (picture.shape[1], picture.shape[0]))
            frame = _video_frame(_fitted(picture, (self._video.width, self._video.height)))
            frame.pts, frame.duration = self._clock.next(packet.frame)
            frame.time_base = Fraction(1, TICKS)
            self._container.mux(self._video.encode(frame))
        except (FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from error

    def finish(self) -> PipelineError | None:
        """Complete the file and give it its name. If that fails, leave nothing behind."""
        if self._finished:
            return None
        self._finished = True
        try:
            if self._video is not None:
                self._container.mux(self._video.encode(None))
            self._container.close()
            if self._video is None:
                self._partial.unlink(missing_ok=True)
            else:
                self._partial.replace(self._path)
        except (FFmpegError, OSError, ValueError) as error:
            self._partial.unlink(missing_ok=True)
            return self._failure(error)
        return None

    def _failure(self, error: Exception) -> PipelineError:
        return PipelineError(
            f"cannot write {self._path} with codec {self._params.codec!r}: {error}",
            fix="check the disk's free space, and that the codec's options and the file's ending suit the codec",
        )


class _OutputClock:
    """When each picture is shown: strictly later than the one before.

    The time is the medium's, or where there is none the time of capture; from one epoch to the next it goes on.
    """

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._count = 0
        self._epoch: int | None = None
        self._shift = 0
        self._last = -1
        self._period = round(TICKS / (fps or 25))

    def next(self, frame: Frame) -> tuple[int, int]:
        """When the next picture is shown and, as far as one can tell, for how long; in ticks."""
        if self._fps is not None:
            ticks = round(self._count * TICKS / self._fps)
        else:
            clock = frame.clock
            at = round((clock.mono_ns if clock.media_ns is None else clock.media_ns) * TICKS / 1e9)
            if frame.epoch != self._epoch:
                self._shift = (self._last + self._period if self._count else 0) - at
                self._epoch = frame.epoch
            ticks = max(at + self._shift, self._last + 1)
            self._period = ticks - self._last if self._count else self._period
        self._count += 1
        self._last = ticks
        return ticks, self._period


def _add_stream(
    container: OutputContainer, params: AnnotatedVideoParams, size_wh: tuple[int, int]
) -> VideoStream:
    options = params.options
    if options is None:
        options = X26X_OPTIONS if params.codec in ("libx264", "libx265") else {}
    video = container.add_stream(params.codec, options=dict(options))
    if not isinstance(video, VideoStream):
        raise ValueError("it does not encode video")
    video.width, video.height = (size + size % 2 for size in size_wh)
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = Fraction(1, TICKS)
    video.codec_context.colorspace, video.codec_context.color_range = 1, 1  # BT.709, limited
    video.codec_context.flags |= Flags.frame_duration
    video.thread_count = params.thread_count
    return video


def _check_path(path: Path, mode: str) -> None:
    make_parent(path)
    if mode == "new":
        refuse_existing(path, "mode to 'overwrite'")
    if not os.access(path.parent, os.W_OK):
        raise PipelineError(f"cannot write {path}: its folder is not writable", fix="choose another folder")


def _check_encoder(path: Path, params: AnnotatedVideoParams) -> None:
    """Find out before the first frame what cannot work. FFmpeg creates no file until there is something to write."""
    try:
        with av.open(f"file:{path}", "w") as container:
            video = _add_stream(container, params, (64, 64))
            video.codec_context.open()
            if video.codec_context.options:  # what is left after the encoder took its own
                raise ValueError(f"it has no option {', '.join(video.codec_context.options)}")
    except UnknownCodecError as error:
        raise PipelineError(
            f"cannot write {path}: this FFmpeg has no encoder {params.codec!r}",
            fix="'libx264' needs an FFmpeg with GPL parts; 'mpeg4' is always there",
        ) from error
    except (FFmpegError, ValueError) as error:
        raise PipelineError(
            f"cannot write {path} with codec {params.codec!r}: {error}",
            fix="let the path end in .mp4 or .mkv, and check the codec's options",
        ) from error


def _fitted(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """``picture`` at exactly this size: as it is, padded by one line, or scaled between black bars."""
    (width, height), (h, w) = size_wh, picture.shape[:2]
    if (w, h) == size_wh:
        return picture
    if 0 <= width - w <= 1 and 0 <= height - h <= 1:
        return np.pad(picture, ((0, height - h), (0, width - w), (0, 0)), mode="edge")
    scale = min(width / w, height / h)
    w, h = max(1, round(w * scale)), max(1, round(h * scale))
    scaled = VideoFrame.from_ndarray(picture, format="bgr24").reformat(
        width=w, height=h, interpolation="AREA"
    )
    left, top = (width - w) // 2, (height - h) // 2
    fitted = np.zeros((height, width, 3), np.uint8)
    fitted[top : top + h, left : left + w] = scaled.to_ndarray()
    return fitted


def _video_frame(picture: NDArray[np.uint8]) -> VideoFrame:
    frame = VideoFrame.from_ndarray(picture, format="bgr24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1)
