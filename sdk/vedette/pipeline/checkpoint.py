"""Saved state on disk: one file per stream, there in whole or not at all, checked before it is believed.

A file is ``VDTSTATE``, the BLAKE2b-128 of what follows, and a :class:`Saved` in MessagePack. It holds numbers only: no
code is run by reading it.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from vedette.bundle.atomic import replace_file
from vedette.errors import PipelineError
from vedette.pipeline.state import SavedPlace

log = logging.getLogger("vedette.pipeline")

MAGIC = b"VDTSTATE"
DIGEST = 16


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The latest frame that the state is made of, and where it was captured; ``media_ns`` as in
    :class:`vedette.frame.Clock`, ``capture_ns`` by the clock that the stream is sampled by."""

    epoch: int
    seq: int
    media_ns: int | None
    capture_ns: int
    wall_ns: int


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state of a stream between two packets.

    ``source`` says what it was captured from; ``ticket`` is that of the next frame, ``epoch`` that of the latest.
    """

    version: Literal[1] = 1
    pipeline: str
    stream: str
    source: str
    live: bool
    ticket: int
    epoch: int
    position: Position
    places: dict[str, SavedPlace]


def encode(saved: Saved) -> bytes:
    """The content of a file."""
    payload = msgspec.msgpack.encode(saved)
    return MAGIC + hashlib.blake2b(payload, digest_size=DIGEST).digest() + payload


def decode(raw: bytes) -> Saved:
    """Reverse of :func:`encode`.

    Raises
    ------
    ValueError
        It is something else, or damaged.
    """
    head, payload = raw[: len(MAGIC) + DIGEST], raw[len(MAGIC) + DIGEST :]
    if not head.startswith(MAGIC):
        raise ValueError("it is not a saved state")
    if hashlib.blake2b(payload, digest_size=DIGEST).digest() != head[len(MAGIC) :]:
        raise ValueError("it is damaged: its checksum does not fit")
    return msgspec.msgpack.decode(payload, type=Saved)


class StateStore:
    """The saved states of one pipeline in a folder, written by a thread of its own.

    Parameters
    ----------
    unusable
        What to do with a file that is damaged or belongs to something else: ``reset``: warn and begin afresh;
        ``refuse``: raise.
    flush
        Called before anything is written or removed: returns when what the frames before led to is on disk, so that a
        saved state is never ahead of it. Where it raises, the state of before stays.

    Raises
    ------
    PipelineError
        The folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        pipeline: str,
        unusable: Literal["reset", "refuse"],
        flush: Callable[[], None] = lambda: None,
    ) -> None:
        self.pipeline = pipeline
        self._folder = folder
        self._unusable = unusable
        self._flush = flush
        self._failing: set[str] = set()
        self._wanted: queue.SimpleQueue[tuple[str, Saved | None] | None] = queue.SimpleQueue()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PipelineError(
                f"state.path: {folder} cannot be made: {error.strerror}",
                fix="choose a folder that is writable",
            ) from None
        self._thread = threading.Thread(target=self._run, name="vedette-state", daemon=True)
        self._thread.start()

    def path(self, stream: str) -> Path:
        return self._folder / f"{stream}.state"

    def load(self, stream: str, source: str) -> Saved | None:
        """What was saved of a stream, ``None`` if nothing was, or nothing that can be used.

        Raises
        ------
        PipelineError
            It cannot be used, and ``unusable`` is ``refuse``.
        """
        path = self.path(stream)
        try:
            saved = decode(path.read_bytes())
            if (saved.pipeline, saved.stream) != (self.pipeline, stream):
                raise ValueError(f"it belongs to stream {saved.stream!r} of pipeline {saved.pipeline!r}")
            if saved.source != source:
                raise ValueError(f"it was saved from {saved.source}, and this is {source}")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # what msgspec raises is a ValueError
            text = f"stream {stream!r}: the saved state {path} cannot be used: {error}"
            if self._unusable == "refuse":
                raise PipelineError(text, fix='remove the file, or set state.unusable = "reset"') from None
            log.warning("%s; state starts afresh", text)
            return None
        return saved

    def keep(self, saved: Saved) -> None:
        """Have ``saved`` written. From any thread; never waits."""
        self._wanted.put((saved.stream, saved))

    def forget(self, stream: str) -> None:
        """The stream is over: its next run begins at the beginning."""
        self._wanted.put((stream, None))

    def close(self) -> None:
        """Write what is waiting. Closing twice is fine."""
        self._wanted.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._wanted.get()) is not None:
            stream, saved = item
            try:
                self._flush()
                if saved is None:
                    self.path(stream).unlink(missing_ok=True)
                else:
                    replace_file(self.path(stream), encode(saved))
                self._failing.discard(stream)
            except Exception as error:  # a sink's, too
                if stream not in self._failing:
                    self._failing.add(stream)
                    log.error(
                        "stream %r: its state cannot be saved to %s: %s", stream, self.path(stream), error
                    )
