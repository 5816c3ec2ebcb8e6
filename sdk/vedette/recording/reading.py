"""Read a recording: its captures in order, with the bytes that they name."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vedette.errors import SourceError
from vedette.frame import Encoded, Pixels
from vedette.recording import planes
from vedette.recording.format import (
    HEADER,
    LINES,
    MEDIA,
    VERSION,
    CaptureLine,
    EncodedImage,
    EndLine,
    Header,
    PlainImage,
    Span,
    decode_line,
)
from vedette.specs import Unit

log = logging.getLogger("vedette.recording")

REDO = "make the recording again"


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One line of a recording; ``offset`` is where it begins in ``captures.jsonl``."""

    line: CaptureLine
    offset: int


class Recording:
    """An open recording.

    Attributes
    ----------
    header
        What was recorded.
    end
        How it ended, once :meth:`entries` came there; ``None``: it was cut off, as by a crash or a loss of power.

    Raises
    ------
    SourceError
        The folder is no recording, or of a version that is not known here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.header = _read_header(folder)
        self.end: EndLine | None = None
        try:
            self._media = os.open(folder / MEDIA, os.O_RDONLY)
            self._media_bytes = os.fstat(self._media).st_size
        except OSError as error:
            raise SourceError(f"cannot read {folder / MEDIA}: {error.strerror}", fix=REDO) from error
        self._closed = False

    def entries(self) -> Iterator[Entry]:
        """All captures, in order. What a crash cut off is left out, and the log says so.

        Raises
        ------
        SourceError
            A line is broken; the message names it by its offset.
        """
        seen = 0
        for entry in self._walk(0):
            yield entry
            seen += 1
        if self.end is None:
            log.warning(
                "%s was cut off when it was recorded: it is whole up to here (%d images)", self.folder, seen
            )

    def units(self, entry: Entry) -> Iterator[Unit]:
        """All units of the decoder that begins with ``entry``."""
        coding = entry.line.coding
        assert coding is not None
        for later in self._walk(entry.offset):
            if later.line.coding is not None and later.offset != entry.offset:
                return
            stored = later.line.units
            if stored is None:
                continue
            data, start = self.read(stored.at), 0
            for number, unit in enumerate(stored.each, stored.first):
                yield Unit(
                    coding=coding,
                    number=number,
                    data=data[start : start + unit.length],
                    pts=unit.pts,
                    dts=unit.dts,
                    key=unit.key,
                )
                start += unit.length

    def image(self, stored: EncodedImage | PlainImage) -> Encoded | Pixels:
        """An image that was not in a unit, bit for bit as it was captured."""
        data = self.read(stored.at)
        if isinstance(stored, EncodedImage):
            return Encoded(stored.fourcc, data, stored.size_wh, stored.name)
        return planes.restore(stored, data)

    def read(self, span: Span) -> bytes:
        """Bytes of the media.

        Raises
        ------
        SourceError
            They are not what was written.
        """
        data = b"" if self._closed else os.pread(self._media, span.length, span.offset)
        if zlib.crc32(data) != span.crc or len(data) != span.length:
            raise SourceError(
                f"{self.folder / MEDIA} is damaged: bytes {span.offset} to {span.offset + span.length} are not"
                " those that were recorded",
                fix=REDO,
            )
        return data

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._media)

    def _walk(self, offset: int) -> Iterator[Entry]:
        """The captures from the line at ``offset`` on, as far as they are whole."""
        try:
            with (self.folder / LINES).open("rb") as file:
                file.seek(offset)
                for data in file:
                    line = self._parse(data, offset) if data.endswith(b"\n") else None
                    if isinstance(line, EndLine):
                        self.end = line
                    if not isinstance(line, CaptureLine) or self._beyond(line):
                        return
                    yield Entry(line=line, offset=offset)
                    offset += len(data)
        except OSError as error:
            raise SourceError(f"cannot read {self.folder / LINES}: {error.strerror}") from error

    def _parse(self, data: bytes, offset: int) -> CaptureLine | EndLine:
        try:
            return decode_line(data)
        except (msgspec.MsgspecError, ValueError, TypeError, ZeroDivisionError) as error:
            raise SourceError(
                f"{self.folder / LINES}: the line at byte {offset} is broken: {error}", fix=REDO
            ) from error

    def _beyond(self, line: CaptureLine) -> bool:
        """Whether bytes of this line never reached the disk, as after a loss of power."""
        spans = [line.units.at] if line.units is not None else []
        if isinstance(line.image, EncodedImage | PlainImage):
            spans.append(line.image.at)
        return any(span.offset + span.length > self._media_bytes for span in spans)


def is_recording(folder: Path) -> bool:
    """Whether there is a recording at ``folder``."""
    return (folder / HEADER).is_file()


def _read_header(folder: Path) -> Header:
    path = folder / HEADER
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=dict[str, object]).get("vedette_recording")
        if version != VERSION:
            raise SourceError(
                f"{folder} is a recording of version {version}, and this Vedette reads version {VERSION}",
                fix="replay it with the version of Vedette that 'by' in its recording.json names",
            )
        return msgspec.json.decode(data, type=Header)
    except OSError as error:
        raise SourceError(
            f"{folder} is no recording: {path} cannot be read: {error.strerror}",
            fix="give the folder that a stream's record = ... named",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is broken: {error}", fix=REDO) from error
