"""What parent and child say to each other: MessagePack in packets of a ``SOCK_SEQPACKET`` socket.

The parent asks (:data:`Request`), the child answers each request once and in order (:data:`Answer`). An answer is
decoded strictly: unknown fields, wrong types and values out of range are errors. It never says where in memory a
picture lies: that follows from the order of the requests, and its size from format and width and height.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vedette.frame import Clock, Matrix, Orientation, PackedFormat, PlanarFormat, Range
from vedette.secrets import redacted

REQUEST_BYTES = 64 * 1024
ANSWER_BYTES = 16 * 1024

Side = Annotated[int, Meta(ge=1, le=65_535)]
Size = tuple[Side, Side]
Number = Annotated[int, Meta(ge=0, le=2**62)]
Text = Annotated[str, Meta(max_length=2_000)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of all."""


class Setup(Message, frozen=True, kw_only=True):
    """The first request; it has no answer.

    Attributes
    ----------
    parent
        Process id of the parent.
    plugins
        Modules to load as plugins, besides those that are installed.
    source
        Name of the source plugin; ``uri`` and ``params`` are what it opens.
    environ
        Variables that the source may need and that are not to be seen in the child's environment from outside.
    memory_bytes
        Limit of the address space, if any.
    """

    parent: int
    plugins: tuple[str, ...]
    source: str
    uri: str
    params: dict[str, Any]
    environ: dict[str, str]
    slots: int
    slot_bytes: int
    memory_bytes: int | None


class Open(Message, frozen=True, kw_only=True):
    """Open the source: :class:`Opened` or :class:`Failed`."""


class Read(Message, frozen=True, kw_only=True):
    """Read one image into ``slot``: :class:`Picture`, :class:`Broken`, :class:`Nothing`, :class:`Ended`,
    :class:`Failed`."""

    slot: int
    timeout_s: float


class Close(Message, frozen=True, kw_only=True):
    """Close the source: :class:`Closed`."""


Request = Setup | Open | Read | Close


class Opened(Message, frozen=True, kw_only=True):
    """As :class:`vedette.specs.SourceInfo`."""

    live: bool
    size_wh: Size | None
    rate_hz: Annotated[float, Meta(gt=0, le=1e6)] | None
    frames: Number | None


class Captured(Message, frozen=True, kw_only=True):
    """What every image has: clock and numbers as in :class:`vedette.specs.Capture`."""

    size_wh: Size
    mono_ns: Number
    wall_ns: Number
    media_ns: Annotated[int, Meta(ge=-(2**62), le=2**62)] | None
    uncertainty_ns: Number
    origin: Literal["device", "pts", "arrival"]
    seq: Number
    epoch: Number
    orientation: Orientation

    @property
    def clock(self) -> Clock:
        return Clock(
            mono_ns=self.mono_ns,
            wall_ns=self.wall_ns,
            media_ns=self.media_ns,
            uncertainty_ns=self.uncertainty_ns,
            origin=self.origin,
        )


class Picture(Captured, frozen=True, kw_only=True):
    """An image, whose pixels are in the slot. ``matrix`` and ``range`` count for Y'CbCr."""

    format: PackedFormat | PlanarFormat
    matrix: Matrix = "bt601"
    range: Range = "full"


class Broken(Captured, frozen=True, kw_only=True):
    """An image whose pixels cannot be had: ``message`` says why."""

    message: Text


class Nothing(Message, frozen=True, kw_only=True):
    """No image came in time."""


class Ended(Message, frozen=True, kw_only=True):
    """There are no more images."""


class Failed(Message, frozen=True, kw_only=True):
    """A :class:`vedette.errors.SourceError`."""

    message: Text
    fix: Text = ""


class Closed(Message, frozen=True, kw_only=True):
    """The source is closed."""


Answer = Opened | Picture | Broken | Nothing | Ended | Failed | Closed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Message) -> bytes:
    """One packet. Raises ``TypeError`` for parameters that are not plain."""
    return _encoder.encode(message)


def decode_request(packet: bytes) -> Request:
    """What the parent asks."""
    return _requests.decode(packet)


def decode_answer(packet: bytes) -> Answer:
    """What the child says. Raises :class:`msgspec.DecodeError` (also for what is well-formed but out of range)."""
    return _answers.decode(packet)


def legible(text: str, limit: int = 2_000) -> str:
    """``text`` without passwords, and without characters that could steer a terminal or forge a line of a log."""
    return redacted("".join(char if char.isprintable() else " " for char in text[:limit]))
