"""The index: what a gallery is of, and the wrapped key of each record. The one file that decides what exists.

::

    header, 4096 bytes | n x (record, 16 bytes | nonce, 12 | wrapped key, 48) | the same header again

A header is JSON, padded with spaces, then its SHA-256 and its HMAC. The first tells damage, the second a wrong key.
It is there twice so that no single spot takes the gallery down. A key is wrapped with AES-256-GCM, bound to its
record's name."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from vedette_face.gallery.calibration import Calibration
from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.keys import MasterKey

_BLOCK = 4096
_SUMS = 64
_ENTRY = 16 + 12 + 48


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``gallery``: a random name that keys are bound to. ``model``: digest of the bundle that the templates come
    from. ``audit_key``: the wrapped key of the audit log, in hexadecimal. ``audit_lines``, ``audit_head``: how far
    the log had come, and the SHA-256 of that line."""

    format: str = "vedette-face-gallery/1"
    gallery: str
    model: str
    dimension: int
    retention_days: float | None = None
    calibration: Calibration | None = None
    audit_key: str
    audit_lines: int = 0
    audit_head: str = ""


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: Header
    entries: int
    entries_sha256: str


@dataclass(frozen=True)
class Index:
    """``keys``: wrapped, by record. ``damage``: what is wrong with the file, by place."""

    header: Header
    keys: Mapping[bytes, bytes]
    damage: tuple[str, ...] = ()


def encode_index(header: Header, keys: Mapping[bytes, bytes], master: MasterKey) -> bytes:
    """The bytes of an index."""
    body = b"".join(record + wrapped for record, wrapped in keys.items())
    text = msgspec.json.encode(_Stored(header, len(keys), hashlib.sha256(body).hexdigest()))
    if len(text) > _BLOCK - _SUMS:
        raise GalleryError("the gallery's header is too long")
    text = text.ljust(_BLOCK - _SUMS)
    block = text + hashlib.sha256(text).digest() + _mac(text, header, master)
    return block + body + block


def decode_index(data: bytes, master: MasterKey, where: str) -> Index:
    """Read an index as far as it is whole.

    Raises
    ------
    GalleryError
        The key is another gallery's, or both headers are damaged.
    """
    whole = [_read(data[:_BLOCK]), _read(data[-_BLOCK:])]
    if whole == [None, None]:
        raise GalleryError(
            f"{where}: the index is damaged: neither copy of its header can be read",
            fix="restore the file `index` from a backup",
        )
    blocks = [(at, found) for at, found in enumerate(whole) if found and _genuine(data, at, found, master)]
    if not blocks:
        raise GalleryError(
            f"{where}: wrong key: this gallery was made with another one",
            fix="name the key that it was made with",
        )
    damage = [f"index: copy {at + 1} of its header" for at in (0, 1) if at not in dict(blocks)]
    at, stored = blocks[0]
    length = stored.entries * _ENTRY
    body = data[_BLOCK : _BLOCK + length] if at == 0 else data[-_BLOCK - length : -_BLOCK]
    if len(data) != 2 * _BLOCK + length:
        damage.append(f"index: {len(data)} bytes, not {2 * _BLOCK + length}")
    if hashlib.sha256(body).hexdigest() != stored.entries_sha256:
        damage.append("index: its list of records")
    return Index(stored.header, dict(_entries(body)), tuple(damage))


def wrap_key(key: bytes, wrapping: bytes, record: bytes) -> bytes:
    """A record's key, to be stored."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, record)


def unwrap_key(wrapped: bytes, wrapping: bytes, record: bytes) -> bytes:
    """A record's key.

    Raises
    ------
    ValueError
        It is damaged.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(wrapping).decrypt(wrapped[:12], wrapped[12:], record)
    except InvalidTag:
        raise ValueError("its key in the index was changed") from None


def _entries(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    for at in range(0, len(body) - _ENTRY + 1, _ENTRY):
        yield body[at : at + 16], body[at + 16 : at + _ENTRY]


def _read(block: bytes) -> _Stored | None:
    text, digest = block[: _BLOCK - _SUMS], block[_BLOCK - _SUMS : _BLOCK - 32]
    if len(block) != _BLOCK or hashlib.sha256(text).digest() != digest:
        return None
    try:
        return msgspec.json.decode(text, type=_Stored)
    except msgspec.DecodeError:
        return None


def _genuine(data: bytes, at: int, stored: _Stored, master: MasterKey) -> bool:
    block = data[-_BLOCK:] if at else data[:_BLOCK]
    return hmac.compare_digest(_mac(block[: _BLOCK - _SUMS], stored.header, master), block[-32:])


def _mac(text: bytes, header: Header, master: MasterKey) -> bytes:
    return hmac.digest(master.derive("index", bytes.fromhex(header.gallery)), text, "sha256")
