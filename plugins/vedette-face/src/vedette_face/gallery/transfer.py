r"""A gallery as one file, under a passphrase: to take it to another box, or to keep a copy.

::

    b"VFEXPORT1\n" | length of the header, 4 bytes, little endian | header, JSON | nonce, 12 | AES-256-GCM of msgpack

The key comes from the passphrase by scrypt (RFC 7914); the header is authenticated with the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import msgspec

from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.record import Record

_MAGIC = b"VFEXPORT1\n"
_SALT = 16
_COST = 1 << 16
"""scrypt's N: with r = 8 that is 64 MiB."""
_MOST_MEMORY = 1 << 28
SHORTEST = 12
"""Characters of a passphrase."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header: which model the templates come from, and what scrypt is told (64 MiB, twice)."""

    model: str
    dimension: int
    salt: str
    n: int
    r: int = 8
    p: int = 2


def export(records: Sequence[Record], model: str, dimension: int, passphrase: str) -> bytes:
    """Records as a file.

    Raises
    ------
    GalleryError
        The passphrase is too short.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < SHORTEST:
        raise GalleryError(f"a passphrase for an export has {SHORTEST} characters or more")
    terms = Terms(model=model, dimension=dimension, salt=os.urandom(_SALT).hex(), n=_COST)
    head, nonce = msgspec.json.encode(terms), os.urandom(12)
    start = _MAGIC + len(head).to_bytes(4, "little") + head
    sealed = AESGCM(_key(terms, passphrase)).encrypt(nonce, msgspec.msgpack.encode(list(records)), start)
    return start + nonce + sealed


def read_export(data: bytes, passphrase: str, where: str) -> tuple[Terms, list[Record]]:
    """The records of such a file.

    Raises
    ------
    GalleryError
        It is none, it was damaged, or the passphrase is wrong (the last two cannot be told apart).
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    at = len(_MAGIC) + 4
    length = int.from_bytes(data[len(_MAGIC) : at], "little")
    try:
        if not data.startswith(_MAGIC):
            raise ValueError
        terms = msgspec.json.decode(data[at : at + length], type=Terms)
        if not (0 < 128 * terms.n * terms.r <= _MOST_MEMORY and 0 < terms.p <= 16):
            raise ValueError
        key = _key(terms, passphrase)
    except ValueError:
        raise GalleryError(f"{where}: this is no export of a gallery, or it is damaged") from None
    body = data[at + length :]
    try:
        plain = AESGCM(key).decrypt(body[:12], body[12:], data[: at + length])
    except (InvalidTag, ValueError):
        raise GalleryError(f"{where}: the passphrase is wrong, or the file is damaged") from None
    return terms, msgspec.msgpack.decode(plain, type=list[Record])


def _key(terms: Terms, passphrase: str) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(),
        salt=bytes.fromhex(terms.salt),
        n=terms.n,
        r=terms.r,
        p=terms.p,
        maxmem=2 * _MOST_MEMORY,
        dklen=32,
    )
