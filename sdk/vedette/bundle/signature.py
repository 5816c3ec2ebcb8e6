"""The file ``signature``: who vouches for a bundle.

It holds an Ed25519 signature (RFC 8032) over a fixed prefix and the exact bytes of ``manifest.json``, which holds the
hash of every other file. The prefix keeps a signature that the same key gave for another purpose from being taken for
one of a bundle. The file has one form only: it is JSON, and refused if it is not byte for byte what is written here.
"""

from __future__ import annotations

import base64
from typing import Literal

import msgspec

from vedette.bundle.keys import PublicKey, SecretKey
from vedette.bundle.names import MANIFEST, SIGNATURE
from vedette.bundle.quoting import one_line
from vedette.errors import BundleError

DOMAIN = b"vedette bundle manifest v1\0"
"""What is signed before the manifest."""

MAX_SIGNATURE = 4096
"""Bytes that the file may have."""

_GET_AGAIN = "do not use it; get the bundle again from its author"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``key`` and ``signature`` in base64. The key says who claims to have signed, not whether to trust them."""

    schema: Literal[1]
    algorithm: Literal["ed25519"]
    key: str
    signature: str


def make_signature(manifest: bytes, key: SecretKey) -> bytes:
    """The content of the file for these exact bytes of a manifest."""
    return _encode(key.public.raw, key.sign(DOMAIN + manifest))


def verify_signature(manifest: bytes, signature: bytes, where: str) -> PublicKey:
    """The key that signed these exact bytes of a manifest. Whether to trust it is for :mod:`vedette.bundle.trust`.

    Raises
    ------
    BundleError
        The file is not one, or its signature does not verify.
    """
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    key, signed = _decode(signature, where)
    try:
        VerifyKey(key.raw).verify(DOMAIN + manifest, signed)
    except (CryptoError, ValueError):
        raise BundleError(
            f"{where}: the signature by {key.fingerprint} does not fit: {MANIFEST!r} or {SIGNATURE!r} was changed",
            fix=_GET_AGAIN,
        ) from None
    return key


def _encode(key: bytes, signature: bytes) -> bytes:
    text = {"key": base64.b64encode(key).decode(), "signature": base64.b64encode(signature).decode()}
    content = _File(schema=1, algorithm="ed25519", **text)
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _decode(raw: bytes, where: str) -> tuple[PublicKey, bytes]:
    try:
        content = msgspec.json.decode(raw, type=_File)
        key, signature = (base64.b64decode(text, validate=True) for text in (content.key, content.signature))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(
            f"{where}: {SIGNATURE!r} is not a signature: {one_line(str(error))}", fix=_GET_AGAIN
        ) from None
    if (len(key), len(signature)) != (32, 64) or raw != _encode(key, signature):
        raise BundleError(
            f"{where}: {SIGNATURE!r} is not in the form that vedette writes: it was changed", fix=_GET_AGAIN
        )
    return PublicKey(key), signature
