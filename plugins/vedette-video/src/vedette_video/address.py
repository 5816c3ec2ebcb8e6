"""The address of a camera, its user and password apart from it."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field

from vedette.errors import SourceError
from vedette.secrets import redacted, resolve_secret


@dataclass(frozen=True)
class Address:
    """``uri`` has no user and password; ``shown`` is what may be read by anybody."""

    uri: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        return redacted(self.uri)

    def with_login(self) -> str:
        """The address as FFmpeg wants it. Never to be shown."""
        if not self.user and not self.password:
            return self.uri
        quote = urllib.parse.quote
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return self.uri.replace("://", f"://{login}@", 1)


def parse_address(uri: str, user: str | None, password: str | None) -> Address:
    """Take ``uri`` apart; ``user`` and ``password`` (a reference, see :func:`vedette.secrets.resolve_secret`) are the
    parameters of that name.

    Raises
    ------
    SourceError
        It is no address, or user and password are given twice. The message does not repeat them.
    ConfigError
        The password is not where it should be.
    """
    shown = redacted(uri)
    if re.search(r"[\s\x00-\x1f\x7f]", uri):
        raise SourceError(
            f"{shown!r} has a blank or a control character in it", fix="escape it: a blank is %20"
        )
    try:
        parts = urllib.parse.urlsplit(uri)
        parts.port  # noqa: B018 - raises if it is none
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        raise SourceError(
            f"{shown!r} is not an address",
            fix="write scheme://host:port/path; user and password are parameters, or escaped (@ is %40)",
        )
    login, _, where = parts.netloc.rpartition("@")
    if login and "@" in f"{parts.path}{parts.query}{parts.fragment}":  # which of them ends the password?
        raise SourceError(f"{shown!r} has more than one @", fix="escape those of password and path: @ is %40")
    if login and (user or password):
        raise SourceError(f"{shown}: user and password are given twice", fix="take them out of the address")
    if login:
        user, _, secret = (urllib.parse.unquote(part) for part in login.partition(":"))
    else:
        secret = resolve_secret(password, f"{shown}: password") if password else ""
    plain = urllib.parse.urlunsplit(parts._replace(netloc=where, fragment=""))
    return Address(plain, user or "", secret)
