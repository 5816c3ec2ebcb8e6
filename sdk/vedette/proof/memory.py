"""ProofMemory: what was proved on this box before, in small files that are believed only if nobody touched them.

Each record carries a keyed BLAKE2 hash (RFC 7693), whose key is random, made here and readable by its owner alone: a
record that was copied from another box, or edited, is not believed. Any doubt, and the model proves itself again. The
hash does not protect from somebody who can read the key, who could as well exchange the runtime.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Self

import msgspec

from vedette.errors import VedetteError
from vedette.home import cache_folder
from vedette.proof.key import ProofKey
from vedette.proof.run import Proof

log = logging.getLogger("vedette.proof")

KEY_FILE = "key"
_KEY_BYTES = 32
_DOMAIN = b"vedette proof v1\0"
_MAX_RECORD = 1 << 20


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proof, and when it was made (UTC, ISO 8601). ``key``: the whole text of its key."""

    key: str
    when: str
    proof: Proof


class ProofMemory:
    """The records in one folder. Nothing that goes wrong with it is an error: it only remembers nothing then.

    Parameters
    ----------
    folder
        Where they are; made when the first is kept. ``None``: nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_this_user(cls) -> Self:
        """In ``proofs`` of :func:`vedette.home.cache_folder`."""
        try:
            return cls(cache_folder() / "proofs")
        except VedetteError as error:
            _complain("nowhere", error.message)
            return cls(None)

    def find(self, key: ProofKey) -> Record | None:
        """The record of ``key``, if there is one that can be believed."""
        if self._folder is None or not key.lasting:
            return None
        path = self._path(key)
        try:
            secret = _read_secret(self._folder)
            if secret is None or path.stat().st_size > _MAX_RECORD:
                return None
            seal, _, body = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if not hmac.compare_digest(seal, _seal(secret, body)):
            log.warning("%s: not believed, it was changed or comes from another box; proving again", path)
            return None
        try:
            record = msgspec.json.decode(body, type=Record)
        except msgspec.MsgspecError:  # of another version of vedette
            return None
        return record if record.key == key.text else None

    def keep(self, key: ProofKey, proof: Proof) -> Record:
        """Remember a proof, if that is possible."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = Record(key=key.text, when=now, proof=proof)
        if self._folder is None or not key.lasting:
            return record
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            body = msgspec.json.encode(record)
            secret = _read_secret(self._folder) or _make_secret(self._folder)
            _replace(self._path(key), _seal(secret, body) + b"\n" + body)
        except OSError as error:
            _complain(str(self._folder), str(error.strerror or error))
        return record

    def _path(self, key: ProofKey) -> Path:
        assert self._folder is not None
        return self._folder / f"{key.digest}.json"


def _seal(secret: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(_DOMAIN + body, key=secret, digest_size=32).hexdigest().encode()


def _read_secret(folder: Path) -> bytes | None:
    """The key of this box, or ``None``: there is none yet, or others could have read or made it."""
    try:
        descriptor = os.open(folder / KEY_FILE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            return None
        secret = file.read(_KEY_BYTES + 1)
    return secret if len(secret) == _KEY_BYTES else None


def _make_secret(folder: Path) -> bytes:
    """A new key in place of what is there. Records of an old one are no longer believed."""
    secret = secrets.token_bytes(_KEY_BYTES)
    _replace(folder / KEY_FILE, secret)
    return secret


def _replace(path: Path, data: bytes) -> None:
    """Write a file of the owner's alone, in whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


_told: set[str] = set()


def _complain(where: str, why: str) -> None:
    """Say once that proofs cannot be remembered."""
    if where not in _told:
        _told.add(where)
        log.warning("proofs cannot be remembered (%s: %s): each start proves the models again", where, why)
