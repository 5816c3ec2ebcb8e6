"""The canonical archive: the one zip file that a bundle's content has.

Members are stored (not compressed), the manifest first, then the signature if there is one, and the others by name,
without gaps, all with the same date and permissions and no extra fields. The bytes therefore follow from names and
contents alone. The reader uses that: it takes name, size and checksum of each member from the directory, *writes* the
headers that these must have, and refuses the archive if its own differ in a single bit. Nothing is left for two readers
to understand differently (hidden members, overlapping data, names that differ between directory and header).

Any zip tool can read it. Format: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from vedette.bundle.names import MANIFEST, MAX_FILES, MAX_NAME, SIGNATURE, name_problem, names_problem
from vedette.errors import BundleError

CHUNK = 1 << 20

Chunks = Callable[[], Iterable[bytes]]
"""The content of a file in pieces, from its beginning each time it is called."""

_LOCAL = struct.Struct("<4s5H3L2H")
_RECORD = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_MARK, _RECORD_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

_MADE_BY_UNIX = 3 << 8 | 10
_NEEDS = 10
_DATE_1980 = 0x21
_MODE = (stat.S_IFREG | 0o644) << 16
_MAX_BYTES = 2**32 - 2
"""More needs zip64; a larger bundle is kept as a folder."""

_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive; ``offset`` is where its header starts."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def start(self) -> int:
        """Where the content starts."""
        return self.offset + _LOCAL.size + len(self.name)

    def local_header(self) -> bytes:
        return _LOCAL.pack(_LOCAL_MARK, _NEEDS, *self._common(), 0) + self.name.encode()

    def record(self) -> bytes:
        return (
            _RECORD.pack(_RECORD_MARK, _MADE_BY_UNIX, _NEEDS, *self._common(), 0, 0, 0, 0, _MODE, self.offset)
            + self.name.encode()
        )

    def _common(self) -> tuple[int, ...]:
        flags = method = time = 0
        return flags, method, time, _DATE_1980, self.crc, self.size, self.size, len(self.name)


def write_archive(path: Path, members: Mapping[str, Chunks]) -> None:
    """Write a new file ``path`` with ``members``: contents, which nobody may change meanwhile, by name in the archive.

    Raises
    ------
    BundleError
        A name is not allowed, or the whole is too large for a zip file.
    """
    problem = names_problem(members)
    if problem:
        raise BundleError(f"{path}: {problem}")
    laid_out = list(_lay_out((name, *_measure(members[name])) for name in sorted(members, key=_rank)))
    if _length(laid_out) > _MAX_BYTES:
        raise BundleError(
            f"{path}: the bundle has {_length(laid_out):,} bytes, too many for a zip file",
            fix="write it as a folder: give an output name without .vedette",
        )
    with path.open("xb") as out:
        for member in laid_out:
            out.write(member.local_header())
            out.writelines(members[member.name]())
        out.write(_directory(laid_out))
        out.flush()
        os.fsync(out.fileno())


class ZipArchive:
    """A canonical archive, open for reading. Thread-safe.

    Raises
    ------
    BundleError
        The file is not exactly what :func:`write_archive` makes of its members.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._file = path.open("rb", buffering=0)
        try:
            size = os.fstat(self._file.fileno()).st_size
            self._members = {member.name: member for member in _read_directory(path, size, self._at)}
        except BaseException:
            self._file.close()
            raise
        self.sizes: Final[Mapping[str, int]] = {name: member.size for name, member in self._members.items()}

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, piece by piece; its checksum is tested at the end."""
        member = self._members[name]
        crc, position, end = 0, member.start, member.start + member.size
        while position < end:
            chunk = self._at(position, min(CHUNK, end - position))
            crc = zlib.crc32(chunk, crc)
            position += len(chunk)
            yield chunk
        if crc != member.crc:
            raise BundleError(
                f"{self.path}: {name!r} is damaged (its checksum differs)",
                fix="copy the bundle again from its origin",
            )

    def place(self, name: str) -> Path | None:
        """Members of an archive are not files of their own."""
        return None

    def close(self) -> None:
        """Closing twice is fine."""
        self._file.close()

    def _at(self, position: int, count: int) -> bytes:
        if self._file.closed:
            raise BundleError(
                f"{self.path}: the bundle is closed", fix="keep it open for as long as it is read"
            )
        parts = []
        while count:
            try:
                part = os.pread(self._file.fileno(), count, position)
            except OSError as error:
                raise BundleError(
                    f"{self.path}: cannot be read: {error.strerror}",
                    fix="check the disk, and copy the bundle again from its origin",
                ) from None
            if not part:
                _refuse(self.path, "it is truncated")
            parts.append(part)
            position += len(part)
            count -= len(part)
        return b"".join(parts)


def file_chunks(path: Path) -> Iterator[bytes]:
    """The content of a file, piece by piece."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _rank(name: str) -> tuple[bool, bool, str]:
    return name != MANIFEST, name != SIGNATURE, name


def _measure(chunks: Chunks) -> tuple[int, int]:
    size = crc = 0
    for chunk in chunks():
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
    return size, crc


def _lay_out(measured: Iterable[tuple[str, int, int]]) -> Iterator[Member]:
    offset = 0
    for name, size, crc in measured:
        member = Member(name, size, crc, offset)
        yield member
        offset = member.start + size


def _length(members: list[Member]) -> int:
    last = members[-1]
    return last.start + last.size + sum(_RECORD.size + len(member.name) for member in members) + _END.size


def _directory(members: list[Member]) -> bytes:
    records = b"".join(member.record() for member in members)
    start = members[-1].start + members[-1].size
    return records + _END.pack(_END_MARK, 0, 0, len(members), len(members), len(records), start, 0)


def _read_directory(path: Path, size: int, at: Callable[[int, int], bytes]) -> list[Member]:
    if size < _END.size or at(0, 4) != _LOCAL_MARK:
        _refuse(path, "it is not a zip file, or something precedes the archive")
    end = at(size - _END.size, _END.size)
    mark, _, _, _, count, length, start, _ = _END.unpack(end)
    if mark != _END_MARK:
        _refuse(path, "it is truncated, or something follows the archive")
    if count == 0xFFFF or 0xFFFFFFFF in (length, start):
        _refuse(path, "it is a zip64 archive")
    if count > MAX_FILES or length > MAX_FILES * (_RECORD.size + MAX_NAME):
        _refuse(path, f"it claims {count} files in a directory of {length:,} bytes")
    if start + length + _END.size != size:
        _refuse(path, "its directory is not where it claims to be")
    found = at(start, length)
    entries = list(_parse_records(path, found))
    problem = names_problem([name for name, _, _ in entries])
    if problem:
        _refuse(path, problem)
    if not entries or entries[0][0] != MANIFEST:
        _refuse(path, f"{MANIFEST} is not its first member")
    if entries != sorted(entries, key=lambda entry: _rank(entry[0])):
        _refuse(path, "its members are not in order")
    members = list(_lay_out(entries))
    if _length(members) != size or _directory(members) != found + end:
        _refuse(path, "its directory is not canonical (gaps, hidden bytes, dates, permissions or counts)")
    for member in members:
        if at(member.offset, _LOCAL.size + len(member.name)) != member.local_header():
            _refuse(path, f"the header of {member.name!r} contradicts the directory")
    return members


def _parse_records(path: Path, raw: bytes) -> Iterator[tuple[str, int, int]]:
    """``(name, size, crc)`` of each record. Names the usual reasons; the caller's comparison finds the others."""
    position = 0
    while position < len(raw):
        if len(raw) - position < _RECORD.size or raw[position : position + 4] != _RECORD_MARK:
            _refuse(path, "its directory is damaged")
        _, made_by, _, flags, method, _, _, crc, stored, size, name_length, extra, comment, _, _, mode, _ = (
            _RECORD.unpack_from(raw, position)
        )
        position += _RECORD.size
        name = raw[position : position + name_length].decode("ascii", "backslashreplace")
        position += name_length
        problem = name_problem(name.removesuffix("/"))
        if problem:
            _refuse(path, problem)
        if name.endswith("/"):
            _refuse(path, f"{name!r} is a folder entry")
        if flags & _ENCRYPTED:
            _refuse(path, f"{name!r} is encrypted")
        if 0xFFFFFFFF in (size, stored):
            _refuse(path, f"{name!r} is a zip64 member")
        if method != 0 or size != stored:
            _refuse(path, f"{name!r} is compressed")
        if made_by >> 8 == 3 and stat.S_ISLNK(mode >> 16):
            _refuse(path, f"{name!r} is a symbolic link")
        if extra or comment:
            _refuse(path, f"{name!r} has an extra field or a comment")
        yield name, size, crc


def _refuse(path: Path, reason: str) -> NoReturn:
    raise BundleError(
        f"{path}: not a bundle archive: {reason}",
        fix="use the file exactly as vedette wrote it, or unpack it and use the folder",
    )
