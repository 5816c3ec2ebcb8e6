"""The file of an outbox: opened by one process, checked before it is believed, moved aside where it is damaged.

It is an SQLite database in WAL mode with ``synchronous=FULL``: what a commit returned for is on the disk. It belongs on
a local one: neither WAL nor locks work over a network's file system.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vedette.bundle.atomic import sync_folder
from vedette.errors import PipelineError

log = logging.getLogger("vedette.outbox")

APPLICATION = 0x56444F42  # "VDOB", in the header of the file
VERSION = 1
BESIDE = ("", "-wal", "-shm")

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: what is being delivered is named by it
    id TEXT NOT NULL UNIQUE,
    born REAL NOT NULL,                     -- seconds, by a clock that runs while the outbox is open
    body BLOB NOT NULL,
    refused TEXT                            -- why it will not be delivered; NULL: it waits
);
CREATE INDEX waiting ON event (seq) WHERE refused IS NULL;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""


class Lock:
    """A file beside the outbox that one process at a time holds, also where that process is killed.

    Raises
    ------
    PipelineError
        Somebody else holds it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        beside = path.with_name(f"{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PipelineError(
                f"outbox {path}: cannot be made: {error.strerror}", fix="choose a folder that is writable"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise PipelineError(
                f"outbox {path}: is in use by another sink or process",
                fix="give each sink an outbox of its own, or stop the other process",
            ) from None

    def release(self) -> None:
        os.close(self._descriptor)


def open_database(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open or create the database; the caller holds its :class:`Lock`.

    Returns
    -------
    tuple
        The connection, and where a damaged database was moved to, if there was one.

    Raises
    ------
    PipelineError
        It is something else, was written by a newer Vedette, or cannot be opened.
    """
    try:
        return _open(path), None
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise _cannot_open(path, error) from None
        reason = str(error)
    moved = _move_aside(path)
    log.error(
        "outbox %s is damaged (%s): moved to %s, and a new one begun. What can be read of it is taken over; "
        "the rest was not delivered",
        path,
        reason,
        moved,
    )
    try:
        return _open(path), moved
    except sqlite3.DatabaseError as error:
        raise _cannot_open(path, error) from None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def readable_rows(path: Path) -> list[tuple[str, bytes, str | None]]:
    """What can still be read of a damaged database, in order: id, body and why it was refused."""
    rows: dict[str, tuple[str, bytes, str | None]] = {}
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(path)
        try:
            for order in ("ASC", "DESC"):  # from both ends, up to the damage
                with suppress(sqlite3.Error):
                    found = connection.execute(
                        f"SELECT seq, id, body, refused FROM event NOT INDEXED ORDER BY seq {order}"
                    )
                    for seq, key, body, refused in found:
                        if isinstance(key, str) and isinstance(body, bytes):
                            rows.setdefault(seq, (key, body, refused))
        finally:
            connection.close()
    return [rows[seq] for seq in sorted(rows)]


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        found = (_pragma(connection, "application_id"), _pragma(connection, "user_version"))
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and found[0] != APPLICATION:
            raise PipelineError(
                f"outbox {path}: is a database of something else", fix="choose another path for the outbox"
            )
        if found[1] > VERSION:
            raise PipelineError(
                f"outbox {path}: has version {found[1]}, and this Vedette knows {VERSION}",
                fix="use the Vedette that wrote it until it is empty, or choose another path",
            )
        if _pragma(connection, "journal_mode = WAL") != "wal":
            raise PipelineError(
                f"outbox {path}: its file system does not support WAL",
                fix="put it on a local disk, not on a network's file system",
            )
        for setting in ("synchronous = FULL", "fullfsync = ON", "journal_size_limit = 4194304"):
            connection.execute(f"PRAGMA {setting}")
        if not tables:
            connection.executescript(_SCHEMA)
            sync_folder(path.parent)
        verdict = _pragma(connection, "quick_check(1)")
        if verdict != "ok":
            error = sqlite3.DatabaseError(verdict)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    return connection.execute(f"PRAGMA {text}").fetchone()[0]


def _move_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    sync_folder(path.parent)
    return target


def _cannot_open(path: Path, error: sqlite3.Error) -> PipelineError:
    return PipelineError(
        f"outbox {path}: cannot be opened: {error}", fix="check the disk's free space and permissions"
    )
