"""One record: the templates of one enrolment (or some probes for calibration), sealed with a key of its own.

::

    b"VFR1" | nonce, 12 bytes | AES-256-GCM of a msgpack map

The additional data are the gallery's and the record's name, so that a record cannot take another's place.
"""

from __future__ import annotations

import os
import unicodedata
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette_face.gallery.errors import GalleryError

_MAGIC = b"VFR1"
_NONCE = 12
LONGEST_NAME = 256


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in a record. A ``probe`` is never found by a search; one without ``name`` is of somebody unknown."""

    kind: Literal["person", "probe"]
    name: str
    created_s: float
    dimension: int
    vectors: bytes

    @property
    def templates(self) -> NDArray[np.float32]:
        """``(n, d) float32``, unit vectors."""
        return np.frombuffer(self.vectors, "<f4").reshape(-1, self.dimension)


def unit_vectors(vectors: NDArray[Any], dimension: int, what: str) -> NDArray[np.float32]:
    """``(n, d) float32``, each divided by its length.

    Raises
    ------
    GalleryError
        Another shape, a vector of length zero, or one with NaN or infinity.
    """
    rows = np.asarray(vectors, np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise GalleryError(f"{what}: shape {rows.shape}, and this gallery needs (n, {dimension})")
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 1e-6).all()):
        bad = int(np.flatnonzero(~(np.isfinite(length) & (length > 1e-6)))[0])
        raise GalleryError(f"{what}: row {bad} is no direction (zero, NaN or infinite)")
    return np.ascontiguousarray(rows / length)


def clean_name(name: str) -> str:
    """A person's name in one form (NFC, no spaces around it). Any script, also what looks like a path: names are
    never part of a file's name.

    Raises
    ------
    GalleryError
        It is empty, too long, or has characters that cannot be shown.
    """
    clean = unicodedata.normalize("NFC", name).strip()
    if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
        raise GalleryError(
            f"{name!r:.80} is not a name", fix=f"1 to {LONGEST_NAME} characters that can be shown"
        )
    return clean


def seal(record: Record, key: bytes, bound: bytes) -> bytes:
    """The bytes of a record's file."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    return _MAGIC + nonce + AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(record), bound)


def unseal(data: bytes, key: bytes, bound: bytes, dimension: int) -> Record:
    """Open the bytes of a record's file.

    Raises
    ------
    ValueError
        One bit of them, of the key, or of what they are bound to is not as it was.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    start = len(_MAGIC) + _NONCE
    if not data.startswith(_MAGIC) or len(data) < start + 16:
        raise ValueError("not a record")
    try:
        plain = AESGCM(key).decrypt(data[len(_MAGIC) : start], data[start:], bound)
    except InvalidTag:
        raise ValueError("it was changed") from None
    record = msgspec.msgpack.decode(plain, type=Record)
    if record.dimension != dimension or len(record.vectors) % (4 * dimension):
        raise ValueError(f"templates of {record.dimension} numbers")
    return record
