"""The master key of a gallery: where it comes from, and the keys that are derived from it.

As text it is ``vedette-face-key:BASE64`` of 32 random bytes. It is never written into a gallery or a configuration.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from vedette.errors import ConfigError
from vedette.secrets import resolve_secret
from vedette_face.gallery.errors import GalleryError

log = logging.getLogger("vedette.face")

_PREFIX = "vedette-face-key:"
_SIZE = 32


@dataclass(frozen=True)
class MasterKey:
    """32 random bytes."""

    raw: bytes = field(repr=False)

    def derive(self, purpose: str, gallery: bytes) -> bytes:
        """A key of 32 bytes for one purpose in one gallery: HKDF with SHA-256 (RFC 5869)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), _SIZE, salt=gallery, info=f"vedette-face {purpose}".encode()).derive(self.raw)

    @property
    def text(self) -> str:
        return _PREFIX + base64.b64encode(self.raw).decode()

    @classmethod
    def new(cls) -> MasterKey:
        return cls(os.urandom(_SIZE))


def load_key(reference: str) -> MasterKey:
    """The key that a reference names: ``file:PATH``, ``env:NAME`` or ``keyring:SERVICE/USER`` (the system's keyring;
    it needs the extra ``keyring``).

    Raises
    ------
    ConfigError
        There is no such secret, or ``reference`` is something else.
    GalleryError
        What is there is no key of a gallery.
    """
    kind, _, place = reference.partition(":")
    text = _from_keyring(place) if kind == "keyring" else resolve_secret(reference, "the gallery's key")
    if kind == "file":
        _warn_if_shared(Path(place).expanduser())
    try:
        if not text.startswith(_PREFIX):
            raise ValueError
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _SIZE:
        what = "a secret that is not a reference" if kind not in ("file", "env", "keyring") else reference
        raise GalleryError(
            f"{what}: this is no key of a gallery", fix="`vedette face create` makes one with its gallery"
        )
    return MasterKey(raw)


def write_key(path: Path, key: MasterKey) -> None:
    """Write a key to a new file that only its owner can read.

    Raises
    ------
    GalleryError
        There is such a file, which is left as it is; or it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(key.text + "\n")
            out.flush()
            os.fsync(descriptor)
    except FileExistsError:
        raise GalleryError(
            f"{path}: there is a file of this name, and a key is never overwritten", fix="name another file"
        ) from None
    except OSError as error:
        raise GalleryError(f"{path}: the key cannot be written: {error.strerror}") from None


def _from_keyring(place: str) -> str:
    service, _, user = place.partition("/")
    if not (service and user):
        raise ConfigError("the gallery's key: a keyring entry is named keyring:SERVICE/USER")
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ConfigError(
            "the gallery's key: the system's keyring needs a package",
            fix="pip install 'vedette-face[keyring]'",
        ) from None
    try:
        text = keyring.get_password(service, user)
    except Exception as error:  # each desktop's keyring has its own errors
        raise ConfigError(f"the gallery's key: the keyring fails: {type(error).__name__}: {error}") from error
    if not text:
        raise ConfigError(f"the gallery's key: the keyring has no entry {place!r}")
    return str(text)


def _warn_if_shared(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        log.warning("%s: others than its owner can read this key; chmod 600 it", path)
