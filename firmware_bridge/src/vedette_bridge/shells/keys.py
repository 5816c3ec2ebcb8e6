"""Keys of paired cameras: 32 bytes, kept as 64 hexadecimal digits in a file that only its owner can read."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from vedette_bridge.errors import ParameterError
from vedette_bridge.vlp.security import KEY_SIZE


def new_key() -> bytes:
    """A key that nobody can foresee."""
    return secrets.token_bytes(KEY_SIZE)


def parse_key(text: str, what: str) -> bytes:
    """A key out of its digits; ``what`` says where they come from, and the digits are never repeated.

    Raises
    ------
    ParameterError
        They are not 64 hexadecimal digits.
    """
    digits = text.strip()
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_SIZE}}}", digits):
        raise ParameterError(
            f"{what} is not a key of {2 * KEY_SIZE} hexadecimal digits", fix="`vedette bridge pair` makes one"
        )
    return bytes.fromhex(digits)


def read_key(reference: str) -> bytes | None:
    """The key that ``file:PATH`` or ``env:NAME`` names; ``None`` for an empty reference.

    Raises
    ------
    ParameterError
        It is not there, others may read its file, or it is not a key.
    """
    kind, _, name = reference.partition(":")
    if not reference:
        return None
    if kind == "env" and name in os.environ:
        return parse_key(os.environ[name], f"the variable {name}")
    if kind != "file" or not name:
        raise ParameterError(
            "key: a key is not written into an address", fix='say where it is: "file:PATH" or "env:NAME"'
        )
    path = Path(name).expanduser()
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()[:4096].decode("ascii", "replace")
    except OSError as error:
        raise ParameterError(f"key: {path} cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & 0o077:
        raise ParameterError(
            f"key: others may read {path}", fix=f"chmod 600 {path}, and pair the camera anew"
        )
    return parse_key(text, str(path))


def write_key(path: Path, key: bytes) -> None:
    """Keep a key in a new file, for its owner alone.

    Raises
    ------
    ParameterError
        The file exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ParameterError(f"{path} cannot be written: {error.strerror}") from error
