"""Signatures by Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from vedette.errors import ConfigError

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The key: what ``whsec_`` and base64 stand for, or the text itself.

    Raises
    ------
    ConfigError
        What follows ``whsec_`` is not base64.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError("webhook: secret: what follows whsec_ is not base64") from None


def signed_headers(key: bytes, identity: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The headers that let a receiver check where a message comes from and when it was sent.

    >>> signed_headers(b"secret", "id", 1, b"{}")["webhook-signature"]
    'v1,490pAcC1LQ1k1cOcmH0da199+A88OKCj0Io4WnJlp68='
    """
    signed = hmac.new(key, f"{identity}.{unix_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
