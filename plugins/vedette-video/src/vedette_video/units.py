"""Compressed units on both sides of a decoder: noted as they are decoded, and decoded again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, cast

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vedette.errors import SourceError
from vedette.frame import Matrix, Range
from vedette.specs import Coding, Unit

PARAMETERS = (
    "codec_tag",
    "width",
    "height",
    "pix_fmt",
    "bits_per_coded_sample",
    "reorder_depth",
    "colorspace",
    "color_range",
    "color_primaries",
    "color_trc",
    "flags",
    "flags2",
    "thread_type",
    "thread_count",
)
"""What a container tells a decoder beside ``extradata`` and how it was set to work, as PyAV names it."""
MATRIX, RANGE = "matrix", "range"
"""What the user said that the samples mean; not FFmpeg's business."""


class Mark:
    """Goes through a decoder with a packet, to tell which picture came of it.

    A class of its own, since PyAV finds what goes through by its address: equal numbers are one object in Python, and
    would be taken for one another, across all decoders of the process.
    """

    __slots__ = ("carried", "number")

    def __init__(self, number: int, carried: object = None) -> None:
        self.number = number
        self.carried = carried


class UnitNotes:
    """Numbers the packets that go into a decoder, and keeps them until they are taken.

    Parameters
    ----------
    decoder
        Set up, and not yet used.
    tick_s
        Seconds of a tick of its time stamps.
    matrix, range
        What the user said that its samples mean.
    """

    def __init__(
        self, decoder: VideoCodecContext, tick_s: Fraction, matrix: Matrix | None, range: Range | None
    ) -> None:
        decoder.copy_opaque = True
        self._coding = _coding_of(decoder, tick_s, matrix, range)
        self._fed = 0
        self._units: list[Unit] = []

    def note(self, packet: Packet[VideoStream], carried: object = None) -> None:
        """``packet`` is about to be decoded; the mark of the picture that comes of it brings ``carried`` back."""
        packet.opaque = Mark(self._fed, carried)
        self._units.append(
            Unit(
                coding=self._coding,
                number=self._fed,
                data=bytes(cast(Any, packet)),
                pts=packet.pts,
                dts=packet.dts,
                key=packet.is_keyframe,
            )
        )
        self._fed += 1

    def take(self) -> tuple[Unit, ...]:
        """The units since the last call."""
        units, self._units = tuple(self._units), []
        return units


def unit_of(frame: VideoFrame) -> int | None:
    """The number of the unit that a picture was decoded from; ``None`` if its decoder does not pass it on."""
    mark = mark_of(frame)
    return None if mark is None else mark.number


def mark_of(frame: VideoFrame) -> Mark | None:
    """The mark of the packet that a picture was decoded from, likewise."""
    return frame.opaque if isinstance(frame.opaque, Mark) else None


def decode_units(coding: Coding, units: Iterable[Unit]) -> Iterator[VideoFrame]:
    """The pictures of all units that one decoder was given, in the order in which it gives them.

    Raises
    ------
    SourceError
        This FFmpeg has no such decoder. A unit that cannot be decoded is passed over, as it was the first time.
    """
    decoder = _decoder_of(coding)
    for unit in units:
        packet = packet_of(unit.data)
        packet.pts, packet.dts, packet.is_keyframe = unit.pts, unit.dts, unit.key
        packet.time_base, packet.opaque = coding.tick_s, Mark(unit.number)
        yield from _decode(decoder, packet)
    yield from _decode(decoder, None)


def packet_of(data: bytes) -> Packet[Any]:
    """A packet as decoders want it: followed by zeros that they may read into, which PyAV's ``Packet(data)`` is not."""
    packet: Packet[Any] = Packet(len(data))
    packet.update(data)
    return packet


def colours_of(coding: Coding) -> tuple[Matrix | None, Range | None]:
    """What the user said of matrix and range when the units were noted."""
    return cast(Any, coding.parameters.get(MATRIX)), cast(Any, coding.parameters.get(RANGE))


def _coding_of(
    decoder: VideoCodecContext, tick_s: Fraction, matrix: Matrix | None, range: Range | None
) -> Coding:
    parameters: dict[str, int | str] = {}
    for name in PARAMETERS:
        value = getattr(decoder, name)
        if name == "thread_type":
            value = value.name
        if value is not None:
            parameters[name] = value if isinstance(value, str) else int(value)
    said: dict[str, int | str | None] = {MATRIX: matrix, RANGE: range}
    parameters |= {name: value for name, value in said.items() if value is not None}
    return Coding(
        codec=decoder.name,
        extradata=bytes(decoder.extradata or b""),
        tick_s=tick_s,
        parameters=parameters,
    )


def _decoder_of(coding: Coding) -> VideoCodecContext:
    try:
        decoder = CodecContext.create(coding.codec, "r")
        if not isinstance(decoder, VideoCodecContext):
            raise ValueError(f"{coding.codec!r} is not a coding of video")
        if coding.extradata:
            decoder.extradata = coding.extradata
        for name in PARAMETERS:
            if name in coding.parameters:
                setattr(decoder, name, coding.parameters[name])
        decoder.open()
    except (FFmpegError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise SourceError(
            f"this FFmpeg cannot decode the recorded video ({coding.codec}): {error}",
            fix="replay it with the version of vedette-video and PyAV that recorded it",
        ) from error
    return decoder


def _decode(decoder: VideoCodecContext, packet: Packet[Any] | None) -> list[VideoFrame]:
    try:
        return decoder.decode(packet)
    except FFmpegError:
        return []
