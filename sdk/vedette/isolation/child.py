"""The child: opens, reads and decodes one source, and answers the parent's requests until the socket is closed."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from vedette.errors import EndOfStream, SourceError, VedetteError
from vedette.frame import Decode, Encoded, Pixels, Planar
from vedette.isolation.confinement import confine, die_with_parent
from vedette.isolation.messages import (
    REQUEST_BYTES,
    Answer,
    Broken,
    Close,
    Closed,
    Ended,
    Failed,
    Nothing,
    Open,
    Opened,
    Picture,
    Read,
    Setup,
    decode_request,
    encode,
)
from vedette.isolation.pictures import SlotWriter
from vedette.specs import Capture, Source

OpenSource = Callable[[], Source]


def main(socket_fd: int, memory_fd: int) -> None:
    """Serve until the parent hangs up. The process ends at once then: nothing in it is worth an orderly shutdown."""
    die_with_parent()
    with socket.socket(fileno=socket_fd) as channel:
        packet = channel.recv(REQUEST_BYTES)
        if packet:
            setup = decode_request(packet)
            assert isinstance(setup, Setup)
            if os.getppid() == setup.parent:  # else it died before it could be followed
                Child(channel, setup, memory_fd).serve()
    sys.stderr.flush()
    os._exit(0)


class Child:
    """One source, which may be opened and closed any number of times."""

    def __init__(self, channel: socket.socket, setup: Setup, memory_fd: int) -> None:
        confine(setup.memory_bytes)
        os.environ.update(setup.environ)
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        self._channel = channel
        self._setup = setup
        self._slots = SlotWriter(memory_fd, setup.slots, setup.slot_bytes)
        self._tools: tuple[OpenSource, Decode] | None = None
        self._source: Source | None = None

    def serve(self) -> None:
        """Answer requests. Also after an error: each has exactly one answer."""
        while packet := self._channel.recv(REQUEST_BYTES):
            request = decode_request(packet)
            try:
                answer = self._answer(request)
            except EndOfStream:
                answer = Ended()
            except VedetteError as error:
                answer = Failed(message=error.message[:2_000], fix=error.fix[:2_000])
            except Exception as error:
                answer = Failed(
                    message=f"source {self._setup.source!r} raised {type(error).__name__}: {error}"[:2_000]
                )
            self._channel.send(encode(answer))
        self._close()

    def _answer(self, request: object) -> Answer:
        match request:
            case Open():
                return self._open()
            case Read():
                return self._read(request)
            case Close():
                self._close()
                return Closed()
        raise AssertionError(request)

    def _open(self) -> Opened:
        self._close()
        open_source, _ = self._tools = self._tools or _load(self._setup)
        self._source = open_source()
        info = self._source.info
        return Opened(live=info.live, size_wh=info.size_wh, rate_hz=info.rate_hz, frames=info.frames)

    def _read(self, request: Read) -> Answer:
        if self._source is None or self._tools is None:
            raise SourceError("the source is not open")
        capture = self._source.read(request.timeout_s)
        if capture is None:
            return Nothing()
        image = capture.image
        if isinstance(image, Encoded):
            try:
                image = self._tools[1](image)
            except VedetteError as error:
                return _broken(capture, error)
        self._slots.write(request.slot, image)
        return _picture(capture, image)

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()


def _load(setup: Setup) -> tuple[OpenSource, Decode]:
    """Load the plugins: what opens the source, and what decodes its compressed images."""
    from vedette.decoding import image_decoder
    from vedette.registry import load_plugins

    registry = load_plugins(setup.plugins)
    spec = registry.sources[setup.source]
    params = registry.convert_params(spec, setup.params, "params")
    return lambda: spec.open(setup.uri, params), image_decoder(registry)


def _picture(capture: Capture, image: Pixels) -> Picture:
    colours: dict[str, Any] = (
        {"matrix": image.matrix, "range": image.range} if isinstance(image, Planar) else {}
    )
    return Picture(**_captured(capture, image.size_wh), format=image.format, **colours)


def _broken(capture: Capture, error: VedetteError) -> Broken:
    return Broken(**_captured(capture, capture.image.size_wh), message=str(error)[:2_000])


def _captured(capture: Capture, size_wh: tuple[int, int]) -> dict[str, Any]:
    clock = capture.clock
    return {
        "size_wh": size_wh,
        "mono_ns": clock.mono_ns,
        "wall_ns": clock.wall_ns,
        "media_ns": clock.media_ns,
        "uncertainty_ns": clock.uncertainty_ns,
        "origin": clock.origin,
        "seq": capture.seq,
        "epoch": capture.epoch,
        "orientation": capture.orientation,
    }
