"""A plugin for measuring: frames that cost nothing to read, and a sink that costs nothing to write to."""

from __future__ import annotations

import time
from functools import cache
from typing import Annotated

import msgspec
import numpy as np

from vedette.errors import EndOfStream
from vedette.events import Event
from vedette.frame import Clock, Packed
from vedette.hookspecs import hookimpl
from vedette.packet import Packet
from vedette.specs import Capture, SinkSpec, SourceInfo, SourceSpec

PICTURES = 8
"""Different pictures that a source has; they come again and again."""

Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class MemoryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of the source ``memory``: the size of its pictures, and how many it gives (default: no end)."""

    size_wh: tuple[Side, Side] = (1280, 720)
    frames: int | None = None


class Memory:
    """A source of pictures that are in memory already. It is no camera: it waits until its pictures are taken."""

    def __init__(self, params: MemoryParams) -> None:
        self.info = SourceInfo(live=False, size_wh=params.size_wh, frames=params.frames)
        self._pictures = make_pictures(params.size_wh)
        self._end = params.frames
        self._seq = 0

    def read(self, timeout_s: float) -> Capture:
        """The next picture, at once."""
        if self._seq == self._end:
            raise EndOfStream
        self._seq += 1
        clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        return Capture(image=self._pictures[self._seq % PICTURES], clock=clock, seq=self._seq - 1)

    def close(self) -> None:
        """Nothing to release."""


class Null:
    """A sink that takes everything and keeps nothing."""

    def write(self, packet: Packet) -> None: ...
    def write_event(self, event: Event) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


@cache
def make_pictures(size_wh: tuple[int, int]) -> tuple[Packed, ...]:
    """Pictures of that size, BGR, always the same: soft blobs of colour with some noise, no objects."""
    width, height = size_wh
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(PICTURES):
        coarse = random.integers(0, 256, (-(-height // 32), -(-width // 32), 3), np.uint8)
        picture = coarse.repeat(32, 0).repeat(32, 1)[:height, :width]
        noise = random.integers(0, 16, picture.shape, np.uint8)
        pictures.append(Packed("bgr", picture // 2 + noise))
    return tuple(pictures)


@hookimpl
def vedette_sources() -> list[SourceSpec]:
    """Frames from memory."""
    return [
        SourceSpec(
            name="memory",
            summary="Pictures made once and given again and again, for measuring.",
            matches=lambda uri: int(uri == "memory://"),
            open=lambda uri, params: Memory(params),
            params=MemoryParams,
        )
    ]


@hookimpl
def vedette_sinks() -> list[SinkSpec]:
    """A sink that does nothing."""
    return [SinkSpec(name="null", summary="Takes everything, keeps nothing.", open=lambda params: Null())]
