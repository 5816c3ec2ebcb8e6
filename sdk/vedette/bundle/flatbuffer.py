"""Read a flatbuffer, as far as TensorFlow Lite files need it (https://flatbuffers.dev/internals). Nothing in it is
trusted: every offset is compared with the size of the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

MOST_ITEMS = 1_000_000
"""Of one vector; a network has some thousand tensors."""


def read_root(content: bytes) -> Table:
    """The root table.

    Raises
    ------
    ValueError
        An offset leads out of ``content``. So do the methods of the tables.
    """
    return Table(content, _read(content, "I", 0)[0])


@dataclass(frozen=True)
class Table:
    """One table at ``position`` of ``content``. Fields are known by their place in the schema."""

    content: bytes
    position: int

    def number(self, field: int, kind: str) -> int:
        """A number of the ``struct`` type ``kind``; 0 if it is not there."""
        at = self._field(field)
        return 0 if at is None else int(_read(self.content, kind, at)[0])

    def table(self, field: int) -> Table | None:
        """A table within the table, if it is there."""
        at = self._field(field)
        return None if at is None else Table(self.content, self._follow(at))

    def tables(self, field: int) -> list[Table]:
        """A vector of tables; empty if it is not there."""
        start, count = self._vector(field)
        _read(self.content, f"{count}I", start)  # all of it is there
        return [Table(self.content, self._follow(start + 4 * item)) for item in range(count)]

    def integers(self, field: int, kind: str) -> tuple[int, ...]:
        """A vector of integers of the ``struct`` type ``kind``."""
        start, count = self._vector(field)
        return _read(self.content, f"{count}{kind}", start)

    def floats(self, field: int) -> tuple[float, ...]:
        """A vector of 32-bit numbers."""
        start, count = self._vector(field)
        return _read(self.content, f"{count}f", start)

    def raw(self, field: int) -> bytes:
        """A vector of bytes; empty if it is not there."""
        start, count = self._vector(field, largest=len(self.content))
        return bytes(_read(self.content, f"{count}s", start)[0])

    def text(self, field: int) -> str:
        """A text; empty if it is not there."""
        return self.raw(field).decode(errors="replace")

    def _vector(self, field: int, largest: int = MOST_ITEMS) -> tuple[int, int]:
        at = self._field(field)
        if at is None:
            return 0, 0
        start = self._follow(at)
        (count,) = _read(self.content, "I", start)
        if count > largest:
            raise ValueError(f"a list of {count:,} entries at byte {start}")
        return start + 4, count

    def _follow(self, at: int) -> int:
        return at + int(_read(self.content, "I", at)[0])

    def _field(self, field: int) -> int | None:
        """Where a field lies; the table of offsets says so, which may be shorter than the schema."""
        table = self.position - int(_read(self.content, "i", self.position)[0])
        (size,) = _read(self.content, "H", table)
        if 4 + 2 * field + 2 > size:
            return None
        (offset,) = _read(self.content, "H", table + 4 + 2 * field)
        return self.position + offset if offset else None


def _read(content: bytes, kind: str, at: int) -> tuple[Any, ...]:
    if at < 0 or at + struct.calcsize(f"<{kind}") > len(content):
        raise ValueError(f"it is cut off, or no flatbuffer: an offset leads to byte {at:,}")
    return struct.unpack_from(f"<{kind}", content, at)
