"""From compressed pictures as they arrive to images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, cast

from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vedette.errors import SourceError
from vedette.frame import Encoded, Image, Orientation
from vedette.specs import Unit
from vedette_video.feed import Arrival
from vedette_video.orientation import orientation_of
from vedette_video.params import LiveParams
from vedette_video.pixels import to_pixels
from vedette_video.still import DAMAGED, read_still
from vedette_video.units import UnitNotes, mark_of

logger = logging.getLogger("vedette.video")


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """``arrival`` is what it came in, ``ticks`` its time of presentation, ``unit`` the number of the unit that it was
    decoded from; ``damaged`` where nobody can look at it."""

    image: Image
    arrival: Arrival
    ticks: int | None = None
    orientation: Orientation = 0
    unit: int | None = None
    damaged: bool = False


class Develop(Protocol):
    """Makes pictures of what arrives."""

    @property
    def unit_s(self) -> Fraction:
        """Seconds of a tick."""
        ...

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Size of the last picture as stored, or what is announced."""
        ...

    @property
    def rate_hz(self) -> float | None:
        """Pictures per second, as declared."""
        ...

    def pictures(self, arrival: Arrival) -> Iterator[Picture]:
        """What ``arrival`` completes: with B pictures none, or one that came before."""
        ...

    def rest(self) -> Iterator[Picture]:
        """What is left at the end."""
        ...

    def units(self) -> tuple[Unit, ...]:
        """What a decoder was given since the last call."""
        ...


class Stills:
    """JPEGs stay compressed until somebody looks at them."""

    def __init__(
        self,
        shown: str,
        unit_s: Fraction = Fraction(1),
        size_wh: tuple[int, int] | None = None,
        rate_hz: float | None = None,
    ) -> None:
        self.unit_s, self.size_wh, self.rate_hz = unit_s, size_wh, rate_hz
        self._shown = shown

    def pictures(self, arrival: Arrival) -> Iterator[Picture]:
        data = bytes(cast(bytes, arrival.data))
        still = read_still(data)
        if still is None:
            yield damaged(arrival, f"{self._shown}: a picture is damaged: it has no header", self.size_wh)
            return
        self.size_wh = still.size_wh
        image = Encoded(still.fourcc, data, still.size_wh, self._shown)
        yield Picture(image=image, arrival=arrival, ticks=arrival.ticks, orientation=still.orientation)

    def rest(self) -> Iterator[Picture]:
        yield from ()

    def units(self) -> tuple[Unit, ...]:
        return ()


class Decoder:
    """Decodes with FFmpeg, with as little delay as the coding allows.

    Every picture of H.264 and HEVC counts: what FFmpeg cannot decode, what it calls corrupt, and what it leaves out for
    want of the picture that it refers to, become damaged pictures, frames that nobody can look at. That whole packets
    were lost on the way is not seen from here.
    """

    def __init__(self, stream: VideoStream, rate_hz: float | None, shown: str, params: LiveParams) -> None:
        self._context = context = stream.codec_context
        self.unit_s, self.rate_hz = Fraction(stream.time_base or 1), rate_hz
        self.size_wh = (context.width, context.height) if context.width else None
        self._shown = shown
        self._params = params
        context.thread_type = params.threads.upper()
        context.thread_count = 1 if params.threads == "none" else params.thread_count
        context.flags |= Flags.low_delay
        self._notes = UnitNotes(context, self.unit_s, params.matrix, params.range)
        self._one_each = context.name in ("h264", "hevc")
        self._due: dict[int, tuple[Arrival, str]] = {}
        self._spoilt = False

    def pictures(self, arrival: Arrival) -> Iterator[Picture]:
        packet = arrival.data
        assert isinstance(packet, Packet)
        if arrival.key:
            self._spoilt = False
        self._notes.note(packet, arrival)
        ordered = self._one_each and arrival.ticks is not None
        if ordered:
            self._due[id(arrival)] = arrival, "cannot be decoded: what it refers to is missing"
        try:
            frames = self._context.decode(packet)
        except FFmpegError as error:
            why = f"cannot be decoded: it is damaged ({error.strerror})"
            if ordered:  # its turn comes with the next picture
                self._due[id(arrival)] = arrival, why
            else:
                yield self._damaged(arrival, why)
            return
        for frame in frames:
            yield from self._pictures(frame)

    def rest(self) -> Iterator[Picture]:
        try:
            for frame in self._context.decode(None):
                yield from self._pictures(frame)
        except FFmpegError as error:
            logger.info("%s: the last pictures cannot be decoded: %s", self._shown, error.strerror)

    def units(self) -> tuple[Unit, ...]:
        return self._notes.take()

    def _pictures(self, frame: VideoFrame) -> Iterator[Picture]:
        """The picture of ``frame``, after those before it that there will never be."""
        mark = mark_of(frame)
        assert mark is not None
        arrival = cast(Arrival, mark.carried)
        self._due.pop(id(arrival), None)
        self.size_wh = frame.width, frame.height
        for missed, why in self._passed(frame):
            yield self._damaged(missed, why)
        if frame.is_corrupt:
            yield self._damaged(arrival, "is damaged: parts of it are missing")
        elif self._spoilt and self._params.concealed == "damaged":
            yield self._damaged(arrival, "refers to a damaged one")
        else:
            yield self._picture(frame, arrival, mark.number)

    def _passed(self, frame: VideoFrame) -> list[tuple[Arrival, str]]:
        """What comes before ``frame`` in time and gave no picture; of interlaced video it is a second field."""
        pts = frame.pts
        passed = [
            key
            for key, (due, _) in self._due.items()
            if pts is not None and due.ticks is not None and due.ticks < pts
        ]
        missed = [self._due.pop(key) for key in passed]
        return [] if frame.interlaced_frame else missed

    def _picture(self, frame: VideoFrame, arrival: Arrival, unit: int) -> Picture:
        try:
            image = to_pixels(frame, self._params.matrix, self._params.range)
        except SourceError as error:
            raise SourceError(f"{self._shown}: {error.message}", fix=error.fix) from error
        return Picture(
            image=image, arrival=arrival, ticks=frame.pts, orientation=orientation_of(frame), unit=unit
        )

    def _damaged(self, arrival: Arrival, why: str) -> Picture:
        self._spoilt = True
        return damaged(arrival, f"{self._shown}: a picture {why}", self.size_wh)


def damaged(arrival: Arrival, why: str, size_wh: tuple[int, int] | None) -> Picture:
    """Stands for a picture that was captured and that nobody can look at: asking for its pixels raises ``why``."""
    image = Encoded(DAMAGED, b"", size_wh or (1, 1), why)
    return Picture(image=image, arrival=arrival, ticks=arrival.ticks, damaged=True)
