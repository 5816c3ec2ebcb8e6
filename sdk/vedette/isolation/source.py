"""The parent's side: a source whose work is done in a child process."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from vedette.errors import ConfigError, EndOfStream, SourceError
from vedette.frame import Encoded, Image, Pixels
from vedette.isolation.messages import (
    REQUEST_BYTES,
    Broken,
    Captured,
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
    encode,
    legible,
)
from vedette.isolation.pictures import Slots
from vedette.isolation.process import ChildProcess
from vedette.pipeline.config import Isolate
from vedette.specs import Capture, SourceInfo

SLOTS = 12
AHEAD = 2
"""Requests that the child has at hand: it works on one while the parent takes the other's picture."""
READ_S = 0.25
CLOSE_S = 1.0
"""How long a child may take to close its source, and to end."""
UNDECODABLE = "none"
"""The fourcc of an image whose pixels cannot be had; its name says why."""
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class Isolation:
    """Opens one source, any number of times, in a child process that is kept between openings while it behaves.

    Parameters
    ----------
    name
        How messages call the source; never its address, which may hold a password.
    plugins
        Modules that the child loads as plugins, besides those that are installed.
    source, uri, params
        Name of the source plugin, and what it opens; ``params`` as the user wrote them.

    Raises
    ------
    ConfigError
        ``params`` cannot be sent to another process.
    """

    def __init__(
        self,
        name: str,
        plugins: tuple[str, ...],
        source: str,
        uri: str,
        params: Mapping[str, Any],
        limits: Isolate,
    ) -> None:
        self._name = name
        self._limits = limits
        self._setup = Setup(
            parent=os.getpid(),
            plugins=plugins,
            source=source,
            uri=uri,
            params=dict(params),
            environ=_asked_for(uri, params),
            slots=SLOTS,
            slot_bytes=limits.picture_mb * 2**20,
            memory_bytes=None if limits.memory_mb is None else limits.memory_mb * 2**20,
        )
        _check(self._setup, name)
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._closed = False

    def open(self) -> IsolatedSource:
        """Open the source.

        Raises
        ------
        SourceError
            It cannot be opened, or not within ``open_s``.
        """
        with self._lock:
            child = self._running()
            child.ask(Open())
            while (answer := child.answer(READ_S, self._limits.open_s)) is None:
                if self._closed:
                    child.kill()
                    raise SourceError(f"{self._name} is closed")
            match answer:
                case Opened():
                    return IsolatedSource(self, child, answer, self._limits.timeout_s)
                case Failed():
                    raise SourceError(legible(answer.message), fix=legible(answer.fix))
            raise child.mistrusted(f"{type(answer).__name__} where Open was asked")

    def close(self) -> None:
        """End the child, also while it opens. Closing twice is fine."""
        self._closed = True
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.dismiss(CLOSE_S)

    def take_back(self, child: ChildProcess, slots: deque[int]) -> None:
        """Have ``child`` close its source, after it has answered what it was asked for ``slots``."""
        with self._lock:
            try:
                child.ask(Close())
                deadline = time.monotonic() + CLOSE_S
                while not isinstance(answer := child.answer(READ_S, CLOSE_S), Closed):
                    if time.monotonic() > deadline:
                        raise child.mistrusted("no Closed")
                    if answer is not None and slots:
                        child.slots.give_back(slots.popleft())
            except SourceError:
                child.kill()  # nothing is lost: the next opening starts another one

    def _running(self) -> ChildProcess:
        if self._closed:
            raise SourceError(f"{self._name} is closed")
        if self._child is None or self._child.ended:
            slots = Slots(SLOTS, self._setup.slot_bytes, reserve=AHEAD)
            try:
                self._child = ChildProcess(self._name, slots)
            finally:
                slots.close()
            self._child.ask(self._setup)
        return self._child


class IsolatedSource:
    """A source that is open in a child process. Its pictures are decoded.

    Everything that happens to the child is a :class:`~vedette.errors.SourceError` of :meth:`read`: it ended, it did not
    answer in time, it sent what it must not.
    """

    def __init__(self, isolation: Isolation, child: ChildProcess, opened: Opened, limit_s: float) -> None:
        self.info = SourceInfo(
            live=opened.live, size_wh=opened.size_wh, rate_hz=opened.rate_hz, frames=opened.frames
        )
        self._isolation = isolation
        self._child = child
        self._limit_s = limit_s
        self._asked: deque[int] = deque()
        self._closed = False

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def read(self, timeout_s: float) -> Capture | None:
        """The next image, or ``None`` if none came within ``timeout_s``."""
        if self._closed:
            raise SourceError("the isolated source is closed")
        deadline = time.monotonic() + timeout_s
        while True:
            self._ask()
            answer = self._child.answer(max(0.0, deadline - time.monotonic()), self._limit_s)
            if answer is None:
                return None
            slot = self._asked.popleft()
            if isinstance(answer, Picture):
                return _capture(answer, self._picture(answer, slot))
            self._child.slots.give_back(slot)
            match answer:
                case Nothing():
                    continue
                case Broken():
                    message = legible(answer.message)
                    return _capture(answer, Encoded(UNDECODABLE, b"", answer.size_wh, message))
                case Ended():
                    raise EndOfStream
                case Failed():
                    raise SourceError(legible(answer.message), fix=legible(answer.fix))
            raise self._child.mistrusted(f"{type(answer).__name__} where Read was asked")

    def close(self) -> None:
        """Close the source; the child is kept for the next opening if it does so in time."""
        if not self._closed:
            self._closed = True
            if not self._child.ended:
                self._isolation.take_back(self._child, self._asked)

    def _ask(self) -> None:
        while len(self._asked) < AHEAD and (slot := self._child.slots.take()) is not None:
            self._asked.append(slot)
            self._child.ask(Read(slot=slot, timeout_s=READ_S))

    def _picture(self, answer: Picture, slot: int) -> Pixels:
        try:
            return self._child.slots.picture(slot, answer.format, answer.size_wh, answer.matrix, answer.range)
        except SourceError as error:
            raise self._child.mistrusted(error.message) from None


def refuse_to_decode(image: Encoded) -> Pixels:
    """Decodes the images of an isolated source: those whose pixels could not be had. Nothing that a child sends is
    decoded here."""
    raise SourceError(image.name)


def _capture(answer: Captured, image: Image) -> Capture:
    return Capture(
        image=image,
        clock=answer.clock,
        seq=answer.seq,
        epoch=answer.epoch,
        orientation=answer.orientation,
    )


def _check(setup: Setup, name: str) -> None:
    try:
        size = len(encode(setup))
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: params cannot be sent to the process that isolates it: {error}") from None
    if size > REQUEST_BYTES:
        raise ConfigError(f"{name}: params are too long to isolate it ({size} bytes)")


def _asked_for(uri: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Variables of the environment that the source is told to read (``env:NAME``), and those of proxies."""
    names = {name for text in _texts([uri, params]) for name in re.findall(r"env:([A-Za-z_]\w*)", text)}
    return {name: value for name, value in os.environ.items() if name in names or name.lower() in PROXIES}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
