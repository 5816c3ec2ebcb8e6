"""Ed25519 keys as people handle them: one line of text, and a fingerprint to compare.

A public key is ``ed25519-public:BASE64 NAME``, a private one ``ed25519-secret:BASE64 NAME`` (its seed, RFC 8032); the
name is a comment. A fingerprint is the first 160 bits of the public key's SHA-256 in base32 (RFC 4648), in groups of
four: ``ed25519:wlcv-s42a-...``. Too many to find another key for it, few enough to read out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from vedette.bundle.atomic import create_file, sync_folder
from vedette.errors import BundleError
from vedette.home import config_folder

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
"""What a key may be called."""

_LINE = re.compile(rf"ed25519-(public|secret):([A-Za-z0-9+/]{{43}}=)(?: ({NAME.pattern}))?")
_FINGERPRINT = re.compile(r"(?:ed25519:)?([a-z2-7]{4}(?:-?[a-z2-7]{4}){7})")
_MAX_FILE = 4096


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are verified with: 32 bytes."""

    raw: bytes
    name: str = ""

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.raw).digest()[:20]
        return _grouped(base64.b32encode(digest).decode().lower())

    def __str__(self) -> str:
        return _line("public", self.raw, self.name)

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """Read the line.

        Raises
        ------
        BundleError
            It is none, or a private key.
        """
        return cls(*_parse(text, "public", where))


@dataclass(frozen=True)
class SecretKey:
    """A key to sign with: the seed of 32 bytes."""

    seed: bytes = field(repr=False)
    name: str = ""

    @property
    def public(self) -> PublicKey:
        from nacl.signing import SigningKey

        return PublicKey(bytes(SigningKey(self.seed).verify_key), self.name)

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        from nacl.signing import SigningKey

        return SigningKey(self.seed).sign(message).signature


def keys_folder() -> Path:
    """Where one's own keys are kept unless another place is named."""
    return config_folder() / "keys"


def new_key(name: str, folder: Path) -> tuple[Path, PublicKey]:
    """Make a key: ``NAME.key``, which only its owner can read, and ``NAME.pub`` to give away.

    Returns
    -------
    tuple
        The path of the private key, and the public key.

    Raises
    ------
    BundleError
        The name is not allowed, one of the files exists, or they cannot be written.
    """
    check_name(name)
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    key = SecretKey(os.urandom(32), name)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (private, public):
            if os.path.lexists(path):
                raise FileExistsError(path)
        _write_private(private, f"{_line('secret', key.seed, name)}\n".encode())
        try:
            create_file(public, f"{key.public}\n".encode())
        except BaseException:
            private.unlink()
            raise
    except FileExistsError:
        raise BundleError(
            f"{folder}: there is a key {name!r} already, and a key is never overwritten",
            fix="choose another name",
        ) from None
    except OSError as error:
        raise BundleError(f"{folder}: the key cannot be written: {error}") from None
    return private, key.public


def read_public_key(path: Path) -> PublicKey:
    """Read a public key from a file.

    Raises
    ------
    BundleError
        It cannot be read, or holds no public key.
    """
    return PublicKey.parse(_text(_read(path)[0], path), str(path))


def read_secret_key(path: Path) -> SecretKey:
    """Read a private key from a file.

    Raises
    ------
    BundleError
        It cannot be read, holds no private key, or others can read it.
    """
    raw, mode = _read(path)
    if mode & 0o077:
        raise BundleError(
            f"{path}: others may read this private key (mode {mode:04o})", fix=f"chmod 600 {path}"
        )
    return SecretKey(*_parse(_text(raw, path), "secret", str(path)))


def check_name(name: str) -> str:
    """The name, if a key may be called so.

    Raises
    ------
    BundleError
        It may not.
    """
    if not NAME.fullmatch(name):
        raise BundleError(
            f"{name!r:.80} is not a name for a key", fix="take at most 64 letters, digits and _ . @ + -"
        )
    return name


def parse_fingerprint(text: str) -> str | None:
    """A fingerprint in its usual form; ``None`` if the text is none. The prefix and the dashes may be missing."""
    match = _FINGERPRINT.fullmatch(text.strip().lower())
    return _grouped(match[1].replace("-", "")) if match else None


def _grouped(code: str) -> str:
    return "ed25519:" + "-".join(code[i : i + 4] for i in range(0, len(code), 4))


def _line(kind: str, raw: bytes, name: str) -> str:
    return f"ed25519-{kind}:{base64.b64encode(raw).decode()} {name}".rstrip()


def _parse(text: str, kind: str, where: str) -> tuple[bytes, str]:
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise BundleError(
            f"{where}: not a key", fix=f"give one line, as in `ed25519-{kind}:BASE64 NAME` (vedette keys new)"
        )
    if match[1] != kind:
        fix = (
            "sign with the .key file"
            if kind == "secret"
            else "hand out the .pub file only; if this one was seen by others, revoke it and make another"
        )
        raise BundleError(f"{where}: this is a {match[1]} key, a {kind} one is needed", fix=fix)
    return base64.b64decode(match[2]), match[3] or ""


def _read(path: Path) -> tuple[bytes, int]:
    """The content and the permissions."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise BundleError(f"{path}: the key cannot be read: {error.strerror}") from None


def _text(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise BundleError(f"{path}: not a key", fix="give a file that `vedette keys new` made") from None


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        sync_folder(path.parent)
    except BaseException:
        path.unlink()
        raise
