"""A connection that FFmpeg holds: RTSP, video over HTTP, a local camera."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Mapping
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import ExitError, FFmpegError, HTTPUnauthorizedError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from vedette.errors import EndOfStream, SourceError
from vedette_video.access_units import AccessUnits
from vedette_video.develop import Decoder, Stills
from vedette_video.feed import Arrival
from vedette_video.params import LiveParams

WAITED_NS = 5_000_000
"""A packet that took longer to come was waited for; others had been there for an unknown time."""
END_NS = 1_000_000_000
"""A recording that ends so much before its stated duration is over; earlier, it was cut off."""


class FFmpegInput:
    """The video stream of what FFmpeg opens.

    FFmpeg's errors quote the address with the password in it: only what they say of the cause is used.

    Parameters
    ----------
    address
        As FFmpeg wants it, with user and password.
    shown
        For messages.
    format
        FFmpeg's name of the demuxer; ``None``: it finds out.
    options
        FFmpeg's options.
    always_live
        Whether it is live even where it states a duration, as a recording over RTSP does.

    Raises
    ------
    SourceError
        It cannot be opened.
    """

    def __init__(
        self,
        address: str,
        shown: str,
        params: LiveParams,
        *,
        format: str | None,
        options: Mapping[str, str],
        always_live: bool,
    ) -> None:
        self._shown = shown
        self._since_ns = time.monotonic_ns()
        timeouts = params.open_timeout_s, params.read_timeout_s
        self._container = _open(address, shown, format, options, timeouts)
        try:
            self._stream, context = self._video()
        except SourceError:
            self._container.close()
            raise
        self._unit_s = Fraction(self._stream.time_base or 1)
        rate_hz = float(self._stream.average_rate) if self._stream.average_rate else None
        duration = self._container.duration
        self._duration_ns = duration * 1000 if duration else None
        self.live = always_live or self._duration_ns is None
        self.develop: Stills | Decoder = (
            Stills(shown, self._unit_s, (context.width, context.height), rate_hz)
            if context.name == "mjpeg"
            else Decoder(self._stream, rate_hz, shown, params)
        )
        self._join = AccessUnits(context.name) if context.name in ("h264", "hevc") else None
        self._packets = self._container.demux(self._stream)
        self._ready: deque[tuple[Packet[VideoStream], int]] = deque()
        self._last_ns = 0

    def receive(self) -> Arrival:
        since_ns = self._since_ns
        while not self._ready:
            began_ns = time.monotonic_ns()
            packet = self._next()
            if time.monotonic_ns() - began_ns > WAITED_NS:
                self._since_ns = time.monotonic_ns()
            whole = [packet] if self._join is None else self._join.push(packet)
            self._ready.extend((picture, since_ns) for picture in whole)
        packet, since_ns = self._ready.popleft()
        ticks = packet.pts
        if ticks is not None:
            self._last_ns = round((ticks - (self._stream.start_time or 0)) * self._unit_s * 1_000_000_000)
        now_ns = time.monotonic_ns()
        return Arrival(
            data=packet,
            key=packet.is_keyframe,
            ticks=ticks,
            mono_ns=now_ns,
            wall_ns=time.time_ns(),
            uncertainty_ns=now_ns - since_ns,
            sender_ns=self._sender_ns(ticks),
        )

    def interrupt(self) -> None:
        """FFmpeg cannot be interrupted; it gives up after its own time-out."""

    def close(self) -> None:
        del self._packets
        self._container.close()

    def _sender_ns(self, ticks: int | None) -> int | None:
        """The sender's wall clock at ``ticks``, known after its first RTCP report."""
        zero_us = self._container.start_time_realtime
        if not zero_us or ticks is None:
            return None
        return int(zero_us) * 1000 + round(ticks * self._unit_s * 1_000_000_000)

    def _next(self) -> Packet[VideoStream]:
        try:
            packet = next(self._packets, None)
        except FFmpegError as error:
            reason = _reason(error)
        else:
            if packet is not None and packet.size:  # an empty one is FFmpeg's mark of the end
                return packet
            if self._duration_ns is not None and self._last_ns >= self._duration_ns - END_NS:
                raise EndOfStream
            reason = "it has ended the connection"
        raise SourceError(
            f"{self._shown} is lost: {reason}", fix="look whether it is switched on and reachable"
        )

    def _video(self) -> tuple[VideoStream, VideoCodecContext]:
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise SourceError(f"{self._shown} sends no video", fix="check the address")
        context = stream.codec_context
        if context is None:
            raise SourceError(
                f"{self._shown}: this FFmpeg has no decoder for its video",
                fix="have the camera send H.264, HEVC or MJPEG, or install PyAV against another FFmpeg",
            )
        return stream, context


def _open(
    address: str, shown: str, format: str | None, options: Mapping[str, str], timeouts: tuple[float, float]
) -> InputContainer:
    began_s = time.monotonic()
    try:
        return av.open(
            address, format=format, options=dict(options), timeout=timeouts, metadata_errors="replace"
        )
    except (FFmpegError, ValueError) as error:
        reason = _reason(error) if isinstance(error, FFmpegError) else "its address cannot be used"
        if (
            time.monotonic() - began_s >= timeouts[0]
        ):  # an answer that did not come is "invalid data" over RTSP
            reason = _LATE
    # Not inside of `except`: what is raised there refers to FFmpeg's error, and that quotes the password.
    raise SourceError(
        f"{shown} cannot be opened: {reason}", fix=_FIXES.get(reason, "check address and network")
    )


_LATE = "no answer in time"
_UNAUTHORIZED = "it wants another user and password (401)"
_DENIED = "this user may not read it (permission denied)"
_NO_DEVICE = "it is no camera"
_BROKEN = "input/output error"
_FIXES = {
    _UNAUTHORIZED: 'give the parameters user and password = "env:NAME" or "file:PATH"',
    _DENIED: "add the user that runs this program to the group that owns the device (on most systems: video)",
    _BROKEN: "check address and network; over TLS the certificate may be the cause: see ca_file and verify",
    _NO_DEVICE: "v4l2-ctl --list-devices shows the cameras; some have a second device that gives no pictures",
}


def _reason(error: FFmpegError) -> str:
    if isinstance(error, ExitError) or error.errno == errno.ETIMEDOUT:
        return _LATE
    if isinstance(error, HTTPUnauthorizedError):
        return _UNAUTHORIZED
    if error.errno in (errno.EACCES, errno.EPERM):
        return _DENIED
    if error.errno in (errno.ENOTTY, errno.ENODEV):
        return _NO_DEVICE
    if error.errno == errno.EIO:
        return _BROKEN
    return str(error.strerror)
