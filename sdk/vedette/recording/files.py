"""The growing files of a recording: whole lines, each after the bytes that it names."""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vedette.errors import PipelineError
from vedette.recording.format import HEADER, LINES, MEDIA, EndLine, Header, Line, Span, encode_line

SYNC_S = 1.0
"""What was written reaches the disk after this time at the latest, or as soon as the disk lets it."""


END_BYTES = 512
"""Room that is kept below the bound for the last line."""


class Full(Exception):  # noqa: N818 - a signal like StopIteration, not a failure
    """There is no room below the bound."""


class GrowingFiles:
    """``media.bin`` and ``captures.jsonl``, open for writing.

    Nothing is buffered here: what :meth:`put` and :meth:`add` wrote outlives the process.

    Parameters
    ----------
    max_bytes
        Both together never grow beyond this.

    Raises
    ------
    PipelineError
        There is something at ``folder``, or it cannot be created.
    """

    def __init__(self, folder: Path, header: Header, max_bytes: int | None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise PipelineError(
                    f"cannot record to {folder}: it is not empty",
                    fix="choose another folder; with {start} in its name each run gets its own",
                )
            (folder / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header)) + b"\n")
            self._media = (folder / MEDIA).open("xb", buffering=0)
            self._lines = (folder / LINES).open("xb", buffering=0)
        except OSError as error:
            raise PipelineError(
                f"cannot record to {folder}: {error.strerror}",
                fix="choose another folder, or make it writable",
            ) from error
        self._media_bytes = self._line_bytes = 0
        self._synced_s = time.monotonic()

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._media_bytes + self._line_bytes

    def put(self, chunks: Sequence[bytes]) -> Span:
        """Append bytes to the media. Raises :class:`Full` or :class:`OSError`."""
        self._claim(sum(map(len, chunks)))
        start, crc = self._media_bytes, 0
        for chunk in chunks:
            _write_all(self._media.fileno(), chunk)
            self._media_bytes += len(chunk)
            crc = zlib.crc32(chunk, crc)
        return Span(start, self._media_bytes - start, crc)

    def add(self, line: Line) -> None:
        """Append a line whose bytes are there. Raises :class:`Full` or :class:`OSError`, and adds nothing then."""
        data = encode_line(line)
        if not isinstance(line, EndLine):
            self._claim(len(data))
        try:
            _write_all(self._lines.fileno(), data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lines.fileno(), self._line_bytes)
            raise
        self._line_bytes += len(data)
        if time.monotonic() - self._synced_s >= SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Have everything reach the disk: first the bytes, then the lines that name them."""
        os.fdatasync(self._media.fileno())
        os.fdatasync(self._lines.fileno())
        self._synced_s = time.monotonic()

    def close(self) -> None:
        self._media.close()
        self._lines.close()

    def remove(self) -> None:
        """Take the folder away again: nothing was recorded."""
        for name in (HEADER, LINES, MEDIA):
            (self._folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _claim(self, size: int) -> None:
        if self._max_bytes is not None and self.size + size + END_BYTES > self._max_bytes:
            raise Full


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
