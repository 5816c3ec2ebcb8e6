"""A gallery on the disk.

::

    GALLERY/index           what exists: see vedette_face.gallery.index
    GALLERY/records/NAME    sealed records, never changed; NAME is 16 random bytes in hexadecimal
    GALLERY/audit.jsonl     see vedette_face.gallery.audit
    GALLERY/lock            held by whoever writes

A change writes new records, notes itself in the audit log, replaces the index by one rename, and then removes records
that the new index does not name. Whatever kills the process, the index names whole records only. A record whose key
is not in the index is debris, and the next change removes it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vedette.bundle.atomic import create_file, replace_file, sync_folder
from vedette_face.gallery import audit
from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.index import Header, Index, decode_index, encode_index, unwrap_key, wrap_key
from vedette_face.gallery.keys import MasterKey
from vedette_face.gallery.record import Record, seal, unseal

_PATIENCE_S = 10.0
_ATTEMPTS = 5
_AUDIT = b"audit"


@dataclass(frozen=True)
class Contents:
    """What a gallery holds: records by their name in hexadecimal, and what is damaged.

    ``lost``: records that cannot be opened. ``damage``: everything that is wrong, in words.
    """

    header: Header
    records: Mapping[str, Record]
    lost: tuple[str, ...]
    damage: tuple[str, ...]


class Store:
    """A folder with one gallery. Several processes may read it, one at a time changes it."""

    def __init__(self, path: Path, master: MasterKey) -> None:
        self.path = path
        self._master = master
        self._opened: dict[bytes, tuple[bytes, Record]] = {}

    def create(self, *, model: str, dimension: int, retention_days: float | None) -> None:
        """Make the folder.

        Raises
        ------
        GalleryError
            There is one already, or it cannot be written.
        """
        header = Header(
            gallery=secrets.token_hex(16),
            model=model,
            dimension=dimension,
            retention_days=retention_days,
            audit_key="",
        )
        audit_key = wrap_key(secrets.token_bytes(32), self._wrapping(header), _AUDIT).hex()
        header = msgspec.structs.replace(header, audit_key=audit_key)
        try:
            (self.path / "records").mkdir(parents=True, mode=0o700)
            self.path.chmod(0o700)
            noted = self._note(header, "create", {"model": header.model})
            create_file(self._index, encode_index(noted, {}, self._master))
        except FileExistsError:
            raise GalleryError(
                f"{self.path}: there is something of this name already", fix="name another folder"
            ) from None
        except OSError as error:
            raise GalleryError(f"{self.path}: cannot be written: {error.strerror}") from None

    def version(self) -> tuple[int, int, int]:
        """What differs after each change.

        Raises
        ------
        GalleryError
            There is no gallery.
        """
        try:
            about = self._index.stat()
        except OSError as error:
            raise self._unreadable(error) from None
        return about.st_ino, about.st_mtime_ns, about.st_size

    def read(self) -> Contents:
        """Everything that can be read.

        Raises
        ------
        GalleryError
            There is no gallery, the key is wrong, or the index is damaged beyond reading.
        """
        for _ in range(_ATTEMPTS):  # records may be removed by a writer while they are read
            raw = self._read_index()
            contents = self._contents(decode_index(raw, self._master, str(self.path)))
            if not contents.damage or self._read_index() == raw:
                break
        return contents

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone, for a change.

        Raises
        ------
        GalleryError
            Somebody else holds the lock for more than ten seconds, or the folder cannot be written.
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise GalleryError(f"{self.path}: cannot be changed: {error.strerror}") from None
        try:
            self._lock(descriptor)
            yield
        except OSError as error:
            raise GalleryError(f"{self.path}: cannot be written: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def commit(
        self,
        header: Header,
        *,
        what: str,
        detail: dict[str, Any],
        add: Sequence[Record] = (),
        remove: Collection[str] = (),
    ) -> None:
        """Change what there is; within :meth:`writing`. The keys of the removed records are destroyed."""
        gone = {bytes.fromhex(name) for name in remove}
        index = decode_index(self._read_index(), self._master, str(self.path))
        keys = {name: key for name, key in index.keys.items() if name not in gone}
        keys |= self._write(header, add)
        noted = self._note(header, what, detail)
        replace_file(self._index, encode_index(noted, keys, self._master))
        self._sweep(keys)

    def rekey(self, header: Header, new: MasterKey) -> None:
        """Wrap all keys with another master key; within :meth:`writing`, and only if nothing is damaged."""
        index = decode_index(self._read_index(), self._master, str(self.path))
        old, bound = self._wrapping(header), new.derive("records", bytes.fromhex(header.gallery))
        keys = {name: wrap_key(unwrap_key(key, old, name), bound, name) for name, key in index.keys.items()}
        log = wrap_key(self.audit_key(header), bound, _AUDIT).hex()
        noted = msgspec.structs.replace(self._note(header, "rekey", {}), audit_key=log)
        replace_file(self._index, encode_index(noted, keys, new))
        self._master = new
        self._opened.clear()

    def note(self, what: str, detail: dict[str, Any]) -> None:
        """Only add a line to the audit log."""
        with self.writing():
            header = decode_index(self._read_index(), self._master, str(self.path)).header
            audit.append(self.path, self.audit_key(header), what, detail)

    def audit_key(self, header: Header) -> bytes:
        """The key of the log's sums and pseudonyms. It stays when the master key changes."""
        return unwrap_key(bytes.fromhex(header.audit_key), self._wrapping(header), _AUDIT)

    @property
    def _index(self) -> Path:
        return self.path / "index"

    def _read_index(self) -> bytes:
        try:
            return self._index.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> GalleryError:
        if isinstance(error, FileNotFoundError):
            return GalleryError(f"{self.path}: there is no gallery", fix="`vedette face create` makes one")
        return GalleryError(f"{self.path}: cannot be read: {error.strerror}")

    def _contents(self, index: Index) -> Contents:
        wrapping = self._wrapping(index.header)
        records: dict[str, Record] = {}
        wrong: dict[str, str] = {}
        for name, wrapped in index.keys.items():
            try:
                records[name.hex()] = self._open(name, wrapped, wrapping, index.header)
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                wrong[name.hex()] = f"record {name.hex()}: {why}"
        self._opened = {name: found for name, found in self._opened.items() if name.hex() in records}
        orphans = self._orphans(index) if index.damage else []
        damage = (*index.damage, *wrong.values(), *(f"record {name}: its key is lost" for name in orphans))
        return Contents(index.header, records, tuple(wrong), damage)

    def _open(self, name: bytes, wrapped: bytes, wrapping: bytes, header: Header) -> Record:
        known = self._opened.get(name)
        if known is not None and known[0] == wrapped:  # records never change
            return known[1]
        key = unwrap_key(wrapped, wrapping, name)
        data = (self.path / "records" / name.hex()).read_bytes()
        record = unseal(data, key, _bound(header, name), header.dimension)
        self._opened[name] = wrapped, record
        return record

    def _write(self, header: Header, records: Sequence[Record]) -> dict[bytes, bytes]:
        """Write records; their wrapped keys."""
        folder, wrapping, keys = self.path / "records", self._wrapping(header), {}
        for record in records:
            name, key = secrets.token_bytes(16), secrets.token_bytes(32)
            with (folder / name.hex()).open("xb") as out:
                out.write(seal(record, key, _bound(header, name)))
                out.flush()
                os.fsync(out.fileno())
            keys[name] = wrap_key(key, wrapping, name)
            self._opened[name] = keys[name], record
        if records:
            sync_folder(folder)
        return keys

    def _note(self, header: Header, what: str, detail: dict[str, Any]) -> Header:
        lines, head = audit.append(self.path, self.audit_key(header), what, detail)
        return msgspec.structs.replace(header, audit_lines=lines, audit_head=head)

    def _sweep(self, keys: Mapping[bytes, bytes]) -> None:
        """Remove records without a key, and what a killed process left of an index."""
        wanted = {name.hex() for name in keys}
        for path in (self.path / "records").iterdir():
            if path.name not in wanted:
                path.unlink()
        for path in self.path.glob(".index.*"):
            path.unlink()

    def _orphans(self, index: Index) -> list[str]:
        wanted = {name.hex() for name in index.keys}
        return sorted(path.name for path in (self.path / "records").glob("*") if path.name not in wanted)

    def _wrapping(self, header: Header) -> bytes:
        return self._master.derive("records", bytes.fromhex(header.gallery))

    def _lock(self, descriptor: int) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise GalleryError(
                        f"{self.path}: another process is changing this gallery",
                        fix="try again when it is done",
                    ) from None
                time.sleep(0.05)


def _bound(header: Header, name: bytes) -> bytes:
    return bytes.fromhex(header.gallery) + name
