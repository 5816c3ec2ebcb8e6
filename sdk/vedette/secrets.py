"""Passwords and other secrets: where they come from, and how they stay out of what people read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vedette.errors import ConfigError

HIDDEN = "***"
MAX_BYTES = 65_536

# Up to the last @ behind the scheme: a password may hold any character where somebody forgot to escape it. Only a host
# without a port may be followed by a path with an @ in it.
_LOGIN = re.compile(r"""(?<=://)(?:[^/?#\s"'<>]*:[^\s"'<>]*|[^/?#\s"'<>]*)@""")
# Cameras take passwords in the query (?user=a&pwd=b), and some even in the path (/user=a_password=b_channel=1).
_FIELD = re.compile(
    r"""([?&;/_](?:[\w-]*(?:pass|pwd|psw|secret|token|key|auth|sig|credential)[\w-]*|user|username|usr|login|account)=)"""
    r"""[^&;#\s"'<>]+""",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """``text``, an address or a message that has some in it, without users, passwords, tokens and keys.

    Hides rather too much than too little.

    >>> redacted("rtsp://admin:secret@10.0.0.7:554/live?channel=1&token=abc")
    'rtsp://***@10.0.0.7:554/live?channel=1&token=***'
    """
    return _FIELD.sub(rf"\1{HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", text))


def resolve_secret(reference: str, what: str) -> str:
    """The secret that ``reference`` names: ``env:NAME`` (a variable of the environment) or ``file:PATH`` (the content
    of a file, without the end of line).

    Parameters
    ----------
    what
        What it is for, at the beginning of messages: ``stream 'gate': password``.

    Raises
    ------
    ConfigError
        There is no such variable or file, it is empty, or ``reference`` is something else, perhaps the secret itself:
        it is not repeated in the message.
    """
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        secret = os.environ.get(name, "")
        if not secret:
            raise ConfigError(
                f"{what}: the environment variable {name} is not set",
                fix=f"set {name} before starting the program",
            )
        return secret
    if kind == "file" and name:
        return _read(Path(name).expanduser(), what)
    raise ConfigError(
        f"{what}: a secret is not written into a configuration",
        fix='name where it is: "env:NAME" (a variable of the environment) or "file:PATH"',
    )


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        secret = raw.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"{what}: {path} cannot be read: {error.strerror}", fix="check the path and its permissions"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: {path} is not text in UTF-8") from None
    if not secret or len(raw) > MAX_BYTES:
        raise ConfigError(f"{what}: {path} {'is too long for a secret' if secret else 'is empty'}")
    return secret
