"""Who did what to a gallery, and when: JSON Lines that are only ever added to.

Each line has the SHA-256 of the line before it, and an HMAC with a key that is derived from the master key: without
that, no line can be changed, added, or taken out from the middle. How far the log had come is also noted in the
index, so that its end cannot be cut off either. People appear as pseudonyms (an HMAC of the name): the log outlives
them, and only who has the master key can ask it about a name."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from vedette_face.gallery.errors import GalleryError

FILE = "audit.jsonl"
_START = "0" * 64


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line. ``detail``: numbers, pseudonyms; never a name or a template. ``before``: SHA-256 of the line
    before."""

    line: int
    time: str
    who: str
    what: str
    detail: dict[str, Any] = {}
    before: str
    mac: str = ""


@dataclass(frozen=True)
class Log:
    """What a log says, and what is wrong with it, by line."""

    entries: tuple[Entry, ...]
    damage: tuple[str, ...]


def pseudonym(name: str, key: bytes) -> str:
    """What stands for a name in the log."""
    return hmac.digest(key, b"name:" + name.encode(), "sha256").hex()[:16]


def append(folder: Path, key: bytes, what: str, detail: dict[str, Any]) -> tuple[int, str]:
    """Add a line, and have it reach the disk. Returns its number and its SHA-256.

    The caller holds the gallery's lock. A line that a killed process left unfinished was never acknowledged: it is
    cut off."""
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        lines = whole.splitlines()
        entry = Entry(
            line=len(lines) + 1,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            who=_who(),
            what=what,
            detail=detail,
            before=_digest(lines[-1]) if lines else _START,
        )
        text = _encode(entry, key)
        file.seek(len(whole))
        file.truncate()
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return entry.line, _digest(text)


def read(folder: Path, key: bytes, lines: int, head: str) -> Log:
    """Read and check the log; ``lines`` and ``head`` are what the index says of it.

    Raises
    ------
    GalleryError
        It cannot be read.
    """
    try:
        raw = (folder / FILE).read_bytes()
    except FileNotFoundError:
        raw = b""
    except OSError as error:
        raise GalleryError(f"{folder / FILE}: cannot be read: {error.strerror}") from None
    found, damage, before = [], [], _START
    texts = raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]
    for number, text in enumerate(texts, 1):
        try:
            entry = msgspec.json.decode(text, type=Entry)
            if _encode(entry, key) != text or entry.line != number:
                raise ValueError
            found.append(entry)
            if entry.before != before:
                damage.append(f"audit log: what was before line {number} is not what it follows")
        except ValueError:
            damage.append(f"audit log: line {number} was changed")
        before = _digest(text)
    if lines > len(texts):
        damage.append(f"audit log: {len(texts)} lines, and there were {lines} at least")
    elif lines and _digest(texts[lines - 1]) != head:
        damage.append(f"audit log: line {lines} is not the one that the index noted")
    return Log(tuple(found), tuple(damage))


def _encode(entry: Entry, key: bytes) -> bytes:
    bare = msgspec.json.encode(msgspec.structs.replace(entry, mac=""))
    return msgspec.json.encode(msgspec.structs.replace(entry, mac=hmac.digest(key, bare, "sha256").hex()))


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
