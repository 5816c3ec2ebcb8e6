"""Images out of the frames of channel IMAGE: PROTOCOL.md, section 5.5."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp.frame import FIRST, MORE
from vedette_bridge.vlp.messages import ImageHeader

Loss = Literal["aborted", "incomplete", "overrun", "oversize", "damaged", "invalid"]


@dataclass(frozen=True, slots=True)
class ImageReceived:
    """A whole image, its crc32 checked. ``dropped_before``: how many object numbers are missing since the last whole
    one of this session, whoever dropped them."""

    header: ImageHeader
    data: memoryview
    dropped_before: int


@dataclass(frozen=True, slots=True)
class ImageLost:
    """An image that will not come; ``obj`` is ``None`` if not even its header could be read."""

    obj: int | None
    reason: Loss


class ImageAssembler:
    """Takes the frames of the bulk stream in order. Holds one image at a time, of at most ``max_size`` bytes; memory
    grows with what has really come."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._header: ImageHeader | None = None
        self._data = bytearray()
        self._last: int | None = None
        self.received = 0
        self.lost: Counter[Loss] = Counter()

    def restart(self) -> list[ImageLost]:
        """A new session: what was open is lost, and numbers begin anew."""
        self._last = None
        return [] if self._header is None else [self._lose("incomplete")]

    def take(self, vf: int, payload: bytes) -> list[ImageReceived | ImageLost]:
        """A frame; what became complete or was lost by it."""
        if vf & FIRST:
            found = self._begin(payload)
        else:
            found = []
            self._data += payload
        header = self._header
        if header is None:  # the rest of an image that is lost already
            self._data.clear()
        elif len(self._data) > header.size:
            found.append(self._lose("overrun"))
        elif not vf & MORE:
            found.append(self._finish(header))
        return found

    def _begin(self, payload: bytes) -> list[ImageReceived | ImageLost]:
        """Open another image; one that was open ends here."""
        found: list[ImageReceived | ImageLost] = []
        try:
            header, begin = ImageHeader.decode(payload)
        except ProtocolError:
            if self._header is not None:
                found.append(self._lose("incomplete"))
            return [*found, self._lose("invalid")]
        if self._header is not None and not (header.abort and header.obj == self._header.obj):
            found.append(self._lose("incomplete"))
        self._header, self._data = header, bytearray()
        if header.abort:
            found.append(self._lose("aborted"))
        elif header.size > self._max_size:
            found.append(self._lose("oversize"))
        else:
            self._data += payload[begin:]
        return found

    def _finish(self, header: ImageHeader) -> ImageReceived | ImageLost:
        if len(self._data) < header.size:
            return self._lose("incomplete")
        if crc32(self._data) != header.crc32:
            return self._lose("damaged")
        gap = 0 if self._last is None else (header.obj - self._last - 1) & 0xFFFFFFFF
        self._last = header.obj
        self.received += 1
        data, self._header, self._data = self._data, None, bytearray()
        return ImageReceived(header, memoryview(data).toreadonly(), gap if gap < 1 << 31 else 0)

    def _lose(self, reason: Loss) -> ImageLost:
        self.lost[reason] += 1
        lost = ImageLost(self._header.obj if self._header else None, reason)
        self._header, self._data = None, bytearray()
        return lost
