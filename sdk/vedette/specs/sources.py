"""Sources of frames, and decoders of still images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

import msgspec

from vedette.frame import Clock, Encoded, Image, Orientation, Pixels
from vedette.specs.base import NoParams, Spec


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What a decoder must be told before its first unit, so that it gives the same pictures again.

    ``codec`` and ``parameters`` are in the words of who decodes it (FFmpeg's, for the sources of vedette-video);
    ``extradata`` is what the medium carries beside its units; time stamps count ticks of ``tick_s`` seconds.
    """

    codec: str
    extradata: bytes
    tick_s: Fraction
    parameters: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """One compressed packet of a video, as it was given to a decoder.

    ``number`` counts from 0 with each new decoder; ``key``: decoding can begin here.
    """

    coding: Coding
    number: int
    data: bytes
    pts: int | None
    dts: int | None
    key: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """One captured image, before it becomes a frame of a stream. ``epoch`` rises on seek, reconnect, playlist item.

    A source that decodes compressed video says from what, so that a recording can keep the compressed bytes: ``units``
    are those that its decoder was given since the capture before, in order and without a gap (a decoder may read ahead
    of its pictures), and ``unit`` is the number of the one that holds this image. Other sources leave both out.
    """

    image: Image
    clock: Clock
    seq: int
    epoch: int = 0
    orientation: Orientation = 0
    units: tuple[Unit, ...] = ()
    unit: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """``live``: images are lost if nobody takes them (latest wins), else every image is kept. ``frames`` and
    ``rate_hz`` are what the medium *declares*: for progress only, never for decisions."""

    live: bool
    size_wh: tuple[int, int] | None = None
    rate_hz: float | None = None
    frames: int | None = None


class Source(Protocol):
    """Where images come from. Used by one thread at a time."""

    info: SourceInfo

    def read(self, timeout_s: float) -> Capture | None:
        """The next image, or ``None`` if none came within ``timeout_s``.

        Raises
        ------
        EndOfStream
            There are no more.
        SourceError
            The source failed; it may be opened again.
        """
        ...

    def close(self) -> None:
        """Release everything. Closing twice is fine."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceSpec(Spec):
    """``matches(uri)`` says whether this source reads ``uri`` (a path, a glob, a URL): 0 = no, higher = more specific.
    ``open(uri, params)`` opens it or raises :class:`~vedette.errors.SourceError`."""

    matches: Callable[[str], int]
    open: Callable[[str, Any], Source]
    params: type[msgspec.Struct] = NoParams


@dataclass(frozen=True, kw_only=True)
class DecoderSpec(Spec):
    """Decodes still images: ``fourccs`` it knows, ``build()`` the function."""

    fourccs: tuple[str, ...]
    build: Callable[[], Callable[[Encoded], Pixels]]
