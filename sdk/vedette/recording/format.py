"""The files of a recording.

======================  ============================================================================================
``recording.json``      :class:`Header`: what was recorded. Its presence makes a folder a recording.
``captures.jsonl``      one :class:`CaptureLine` per captured image, in order, and one :class:`EndLine` if it was
                        finished. An image stands in it only when its bytes are in ``media.bin``.
``media.bin``           bytes and nothing else, in the order in which the lines name them: compressed units as they were
                        given to the decoder, still images as they came, pixels without loss
                        (:mod:`vedette.recording.planes`).
======================  ============================================================================================

Both grow at their end only, so that whatever stops the writer leaves a recording that is whole up to some image.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec

from vedette.frame import Clock, Matrix, Orientation, PackedFormat, PlanarFormat, Range
from vedette.specs import Coding

VERSION = 1
HEADER, LINES, MEDIA = "recording.json", "captures.jsonl", "media.bin"
ADMITTED = "admitted"
"""What became of an image that went into the pipeline; every other word is the reason for which it was dropped."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """``recording.json``. ``source`` is without credentials; ``began`` is UTC; ``by`` is the writing version."""

    vedette_recording: int
    stream: str
    source: str
    provider: str
    live: bool
    rate_hz: float | None
    began: str
    by: str


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Where bytes lie in ``media.bin``, and their CRC-32."""

    offset: int
    length: int
    crc: int


class StoredUnit(msgspec.Struct, frozen=True, array_like=True):
    """One unit of :attr:`CaptureLine.units`; its bytes follow those of the one before."""

    length: int
    pts: int | None
    dts: int | None
    key: bool


class StoredUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Units read since the image before: the first one's number, where their bytes lie, and each of them."""

    first: int
    at: Span
    each: tuple[StoredUnit, ...]


class DecodedImage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unit"):
    """The image that the decoder makes of unit ``number``."""

    number: int


class EncodedImage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="encoded"):
    """A still image, compressed as it came."""

    fourcc: str
    size_wh: tuple[int, int]
    name: str
    at: Span


class PlainImage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="pixels"):
    """Pixels; ``shapes`` of its planes. ``matrix`` and ``range`` for Y'CbCr only."""

    format: PackedFormat | PlanarFormat
    shapes: tuple[tuple[int, ...], ...]
    at: Span
    matrix: Matrix | None = None
    range: Range | None = None


StoredImage = DecodedImage | EncodedImage | PlainImage


class CaptureLine(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="capture", omit_defaults=True
):
    """One captured image. ``coding``: a new decoder begins with ``units``."""

    seq: int
    epoch: int
    clock: Clock
    size_wh: tuple[int, int]
    orientation: Orientation
    fate: str
    image: StoredImage
    coding: Coding | None = None
    units: StoredUnits | None = None


class EndLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="end"):
    """How the recording ended: ``complete`` (the source did), ``stopped`` (the pipeline did), ``full`` (its bound was
    reached), ``failed`` (the recording could not go on) or ``source_failed``; the last two with a message."""

    why: str
    message: str = ""


Line = CaptureLine | EndLine


def _to_plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return [value.numerator, value.denominator]
    raise NotImplementedError(f"no form for {type(value).__name__}")


def _from_plain(kind: type, value: Any) -> Any:
    if kind is Fraction:
        numerator, denominator = value
        return Fraction(numerator, denominator)
    raise NotImplementedError(f"no form for {kind.__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_to_plain)
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line, dec_hook=_from_plain)


def encode_line(line: Line) -> bytes:
    """One line of ``captures.jsonl``, with its line break."""
    return _encoder.encode(line) + b"\n"


def decode_line(line: bytes) -> Line:
    """Reverse of :func:`encode_line`.

    Raises
    ------
    msgspec.MsgspecError
        The line is none.
    ValueError, TypeError, ZeroDivisionError
        A fraction in it is none.
    """
    return _decoder.decode(line)
