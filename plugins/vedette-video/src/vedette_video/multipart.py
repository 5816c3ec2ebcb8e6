"""The parts of a ``multipart/x-mixed-replace`` body, as MJPEG cameras send it. Nothing it says is taken on trust.

RFC 2046, 5.1, as cameras read it: delimiters with more or fewer dashes than announced, bare line feeds, no line end
before a delimiter, lengths that are missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from vedette.errors import SourceError

MAX_LINE = 8_192
MAX_HEADERS = 100
MAX_PREAMBLE = 65_536
MAX_PART = 32 * 1024 * 1024
"""Bytes; the largest JPEG of a 50-megapixel camera fits."""
_NO_CAMERA = "check that it is an MJPEG camera"


@dataclass(frozen=True)
class Part:
    """``content_type`` is in lower case and without parameters; ``""`` where none was sent."""

    content_type: str
    data: bytes


class Multipart:
    """Takes parts from a body.

    Parameters
    ----------
    read_some
        Gives the next bytes of the body, at least one; nothing at its end.
    boundary
        The parameter of the content type.
    shown
        Where it comes from, for messages.
    on_part
        Called when the first bytes of a part are there.
    """

    def __init__(
        self,
        read_some: Callable[[], bytes],
        boundary: str,
        shown: str,
        on_part: Callable[[], None] = lambda: None,
    ) -> None:
        self._read_some = read_some
        self._core = boundary.strip().strip("-").encode("latin-1")
        self._shown = shown
        self._on_part = on_part
        self._buffer = bytearray()
        if not self._core:
            raise SourceError(f"{shown} announces parts without saying what divides them", fix=_NO_CAMERA)

    def next(self) -> Part | None:
        """The next part; ``None`` after the last.

        Raises
        ------
        SourceError
            The body is no multipart, is cut off within a part, or a part is too large.
        """
        if not self._find_delimiter():
            return None
        headers = self._headers()
        if headers is None:
            return None
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        length = headers.get("content-length", "")
        return Part(content_type, self._exactly(length) if length else self._until_delimiter())

    def _find_delimiter(self) -> bool:
        """Pass over what comes before a delimiter: a preamble, or what is left of a part with a wrong length."""
        passed = 0
        while passed <= MAX_PREAMBLE:
            line = self._line()
            if line is None:
                return False
            if self._is_delimiter(line):
                return not line.rstrip().endswith(self._core + b"--")
            passed += len(line)
        raise SourceError(
            f"{self._shown} sends no parts with the boundary that it announced",
            fix=_NO_CAMERA,
        )

    def _is_delimiter(self, line: bytes) -> bool:
        line = line.rstrip()
        return line.startswith(b"-") and line.strip(b"-") == self._core

    def _headers(self) -> dict[str, str] | None:
        headers: dict[str, str] = {}
        for number in range(MAX_HEADERS):
            line = self._line()
            if line is None:
                return None
            if number == 0:
                self._on_part()
            text = line.decode("latin-1").strip()
            if not text:
                return headers
            name, _, value = text.partition(":")
            headers[name.strip().lower()] = value.strip()
        raise SourceError(f"{self._shown}: a part has more than {MAX_HEADERS} header lines", fix=_NO_CAMERA)

    def _line(self) -> bytes | None:
        """Up to and with the next line feed, or what is there of a longer line; ``None`` at the end."""
        at = 0
        while (end := self._buffer.find(b"\n", at)) < 0 and len(self._buffer) < MAX_LINE:
            at = len(self._buffer)
            if not self._more():
                return None
        return self._take(end + 1 if 0 <= end < MAX_LINE else MAX_LINE)

    def _exactly(self, length: str) -> bytes:
        if not re.fullmatch("[0-9]{1,10}", length) or int(length) > MAX_PART:
            raise SourceError(
                f"{self._shown}: a part of {length[:20]} bytes is announced; at most {MAX_PART} are taken",
                fix=_NO_CAMERA,
            )
        while len(self._buffer) < int(length):
            if not self._more():
                raise self._cut()
        return self._take(int(length))

    def _until_delimiter(self) -> bytes:
        delimiter = b"--" + self._core
        at = 0
        while (found := self._buffer.find(delimiter, at)) < 0:
            at = max(0, len(self._buffer) - len(delimiter) + 1)
            if len(self._buffer) > MAX_PART:
                raise SourceError(f"{self._shown}: a part has more than {MAX_PART} bytes", fix=_NO_CAMERA)
            if not self._more():
                raise self._cut()
        return self._take(found).rstrip(b"-").removesuffix(b"\n").removesuffix(b"\r")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _more(self) -> bool:
        some = self._read_some()
        self._buffer += some
        return bool(some)

    def _cut(self) -> SourceError:
        return SourceError(
            f"{self._shown} has ended the connection in the middle of a picture",
            fix="look whether it is switched on and reachable",
        )
