"""JSON Lines: one object per packet and per event, each line whole, in a file that can be followed while it grows.

The format is described in :mod:`vedette.sinks.record`. Lines are written straight to the file, one at a time: an
interrupt leaves complete lines, and a full disk takes back the one that did not fit.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from vedette.errors import PipelineError, ResultError
from vedette.events import Event
from vedette.packet import Packet
from vedette.results import RESULT_TYPES, Result
from vedette.sinks.evidence import stored
from vedette.sinks.output import OutputPath, make_parent, refuse_existing
from vedette.sinks.record import Labels, Record, event_line, label_lines, packet_line, parse_line
from vedette.sinks.retention import Retention
from vedette.sinks.rotation import Rotation
from vedette.specs import SinkSpec

logger = logging.getLogger("vedette.sinks")

Mode = Literal["new", "append", "overwrite"]


class JsonlParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``jsonl``."""

    path: str
    """The file; ``{stream}`` and ``{start}`` are replaced (:class:`vedette.sinks.output.OutputPath`). Its folder is
    created."""
    mode: Mode = "new"
    """What to do with a file that exists: refuse (``new``), add to it (``append``) or replace it (``overwrite``)."""
    evidence: Literal["files", "inline"] = "files"
    """Where pictures and clips of events go: into files of the folder ``NAME.evidence`` beside ``NAME.jsonl``, which
    the event names by path (from the folder of the JSON Lines file) and SHA-256; or into the line, in base64."""
    rotate_mb: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """A file beyond so many megabytes (10^6 bytes) is put aside as ``NAME.000001.jsonl`` and so on; each
    can be read alone."""
    rotate_h: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """The same after so many hours."""
    keep: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many files that were put aside are kept; default: all."""
    evidence_keep_mb: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Files of evidence are removed, the oldest first, beyond so many megabytes; default: never."""
    evidence_keep_days: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Files of evidence older than this are removed; default: never."""


class JsonlSink:
    """Writes packets and events. Without ``{stream}`` in the path all streams share one file."""

    def __init__(self, params: JsonlParams) -> None:
        self._path = OutputPath(params.path)
        self._mode = params.mode
        self._store = params.evidence == "files"
        self._params = params
        self._rotation = Rotation(params.rotate_mb, params.rotate_h, params.keep)
        self._retentions: dict[Path, Retention] = {}
        self._files: dict[Path, _LineFile] = {}
        if not self._path.per_stream:
            self._file("")

    def write(self, packet: Packet) -> None:
        file = self._file(packet.frame.stream)
        for line in (*label_lines(packet, file.labels), packet_line(packet)):
            file.write(line)

    def write_event(self, event: Event) -> None:
        file = self._file(event.stream)
        path = self._path.of(event.stream)
        file.write(event_line(stored(event, path) if self._store else event))
        if self._store and event.evidence:
            self._retention(path).sweep()

    def flush(self) -> None:
        """What was written outlives a power cut when this returns."""
        for file in tuple(self._files.values()):
            file.sync()

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def abort(self) -> None:
        self.close()

    def _file(self, stream: str) -> _LineFile:
        path = self._path.of(stream)
        if path not in self._files:
            self._files[path] = _LineFile(path, self._mode)
        elif self._files[path].due(self._rotation):
            self._files[path].put_aside(self._rotation)
            self._files[path] = _LineFile(path, "new")
        return self._files[path]

    def _retention(self, path: Path) -> Retention:
        if path not in self._retentions:
            keep_mb, keep_days = self._params.evidence_keep_mb, self._params.evidence_keep_days
            folder = path.with_name(f"{path.stem}.evidence")
            self._retentions[path] = Retention(folder, keep_mb=keep_mb, keep_days=keep_days)
        return self._retentions[path]


JSONL = SinkSpec(
    name="jsonl",
    summary="Results and events as JSON Lines in a file.",
    open=JsonlSink,
    params=JsonlParams,
)


def read_jsonl(
    path: str | os.PathLike[str], types: tuple[type[Result], ...] = RESULT_TYPES
) -> Iterator[Record | Event]:
    """What the sink wrote, in order. Pass ``types`` to read results that plugins define.

    An unfinished last line, as in a file that is still being written, is left out.

    Raises
    ------
    PipelineError
        The file cannot be read.
    ResultError
        A line is broken; the message names file and line.
    """
    labels: Labels = {}
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    logger.warning("%s:%d: the last line is unfinished and left out", path, number)
                    return
                try:
                    item = parse_line(line, labels, types)
                except ResultError as error:
                    raise ResultError(f"{path}:{number}: {error.message}", fix=error.fix) from error
                if item is not None:
                    yield item
    except OSError as error:
        raise PipelineError(f"cannot read {path}: {error.strerror}") from error


class _LineFile:
    """A file of whole lines, unbuffered."""

    def __init__(self, path: Path, mode: Mode) -> None:
        self.labels: Labels = {}
        self._path = path
        make_parent(path)
        if mode == "new":
            refuse_existing(path, "mode to 'append' or 'overwrite'")
        try:
            if mode == "append" and path.is_file():
                _drop_unfinished_line(path)
            self._raw = path.open({"new": "xb", "append": "ab", "overwrite": "wb"}[mode], buffering=0)
        except OSError as error:
            raise self._failure(error) from error
        self._opened_s = time.monotonic()

    def due(self, rotation: Rotation) -> bool:
        """Whether it is to be put aside before the next line."""
        return not self._raw.closed and rotation.due(self._raw.seek(0, os.SEEK_END), self._opened_s)

    def put_aside(self, rotation: Rotation) -> None:
        """Close it and give it another name."""
        self.close()
        try:
            rotation.put_aside(self._path)
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """Have it reach the disk, unless it was closed, which does that."""
        try:
            if self._path.is_file():
                os.fsync(self._raw.fileno())
        except ValueError:
            return
        except OSError as error:
            raise self._failure(error) from error

    def write(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        written = 0
        try:
            while written < len(rest):
                written += self._raw.write(rest[written:]) or 0
        except OSError as error:
            if written:
                self._raw.seek(-written, os.SEEK_CUR)
                self._raw.truncate()
            raise self._failure(error) from error
        except ValueError as error:
            raise PipelineError(f"{self._path} is closed already") from error

    def close(self) -> None:
        if not self._raw.closed:
            if self._path.is_file():
                os.fsync(self._raw.fileno())
            self._raw.close()

    def _failure(self, error: OSError) -> PipelineError:
        return PipelineError(
            f"cannot write {self._path}: {error.strerror}", fix="check the disk's free space and permissions"
        )


def _drop_unfinished_line(path: Path) -> None:
    """Cut what a power failure left of a last line."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            begin = max(0, end - 65536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            end = begin + found + 1 if found >= 0 else begin
            if found >= 0:
                break
        if end < size:
            logger.warning("%s: an unfinished last line of %d bytes is cut off", path, size - end)
            file.truncate(end)
