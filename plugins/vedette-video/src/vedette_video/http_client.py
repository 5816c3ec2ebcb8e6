"""One HTTP request, with a limit to everything: time, headers, redirects. User and password stay with their host."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import re
import socket
import ssl
import time
import urllib.parse
import urllib.request
from base64 import b64encode
from dataclasses import dataclass, replace
from http import HTTPStatus

from vedette.errors import SourceError
from vedette_video.address import Address

MAX_REDIRECTS = 5
_SCHEMES = {"http": 80, "https": 443}
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, kw_only=True)
class Tls:
    """``verify``: the server must prove who it is, by the certificates in ``ca_file`` or the system's."""

    verify: bool = True
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise SourceError(
                f"ca_file {self.ca_file} cannot be used: {error}",
                fix="give a file of certificates in PEM form",
            ) from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Wire(io.RawIOBase):
    """What is received over a socket, until ``deadline_s`` on the monotonic clock."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection = connection
        self.deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(_left(self.deadline_s))
        return self._connection.recv_into(buffer)

    def send(self, data: bytes) -> None:
        self._connection.settimeout(_left(self.deadline_s))
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """For :class:`http.client.HTTPResponse`."""
        return io.BufferedReader(self, 65_536)

    def shut_down(self) -> None:
        """End a read that is under way in another thread."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        self._connection.close()


@dataclass(frozen=True, eq=False)
class Response:
    """An answer of status 200.

    Attributes
    ----------
    address
        Where it came from, after redirects.
    content_type
        In lower case, without parameters; ``boundary``: that parameter of it.
    """

    address: Address
    content_type: str
    boundary: str
    message: http.client.HTTPResponse
    wire: Wire

    def read_some(self, deadline_s: float) -> bytes:
        """The next bytes of the body, nothing at its end.

        Raises
        ------
        SourceError
            Nothing came before ``deadline_s``, or the connection broke.
        """
        self.wire.deadline_s = deadline_s
        try:
            return self.message.read1(65_536)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _lost(self.address, error) from None

    def close(self) -> None:
        self.message.close()
        self.wire.close()


def get(address: Address, tls: Tls, deadline_s: float) -> Response:
    """Ask for ``address``; follow redirects, and answer demands for user and password (RFC 7617, RFC 7616).

    Raises
    ------
    SourceError
        No answer before ``deadline_s``, or one that is not 200, or not HTTP.
    """
    authorization = ""
    for _ in range(MAX_REDIRECTS + 2):
        wire = Wire(_connect(address, tls, deadline_s), deadline_s)
        try:
            message = _ask(address, wire, authorization)
            status, headers = message.status, message.headers
            if status == HTTPStatus.OK:
                boundary = headers.get_param("boundary")
                return Response(
                    address,
                    headers.get_content_type(),
                    boundary if isinstance(boundary, str) else "",
                    message,
                    wire,
                )
        except BaseException:
            wire.close()
            raise
        wire.close()
        if status in (301, 302, 303, 307, 308) and (location := headers.get("Location")):
            address, authorization = _redirected(address, location), ""
        elif status == HTTPStatus.UNAUTHORIZED and not authorization:
            authorization = _authorization(address, headers.get_all("WWW-Authenticate") or [])
        else:
            raise _refused(address, status)
    raise SourceError(f"{address.shown} redirects for ever", fix="check the address")


def _connect(address: Address, tls: Tls, deadline_s: float) -> socket.socket:
    parts = urllib.parse.urlsplit(address.uri)
    host, port = parts.hostname or "", parts.port or _SCHEMES[parts.scheme]
    try:
        connection = socket.create_connection((host, port), _left(deadline_s))
    except OSError as error:
        raise _lost(address, error, "cannot be reached") from None
    if parts.scheme == "http":
        return connection
    try:
        connection.settimeout(_left(deadline_s))
        return tls.context().wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise SourceError(
            f"{address.shown} does not prove who it is: {error.verify_message}",
            fix="give its certificate with ca_file, or do without the proof: verify = false",
        ) from None
    except OSError as error:
        connection.close()
        raise _lost(address, error, "cannot be reached by TLS") from None
    except BaseException:
        connection.close()
        raise


def _ask(address: Address, wire: Wire, authorization: str) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(address.uri)
    lines = [
        f"GET {_target(address)} HTTP/1.1",
        f"Host: {parts.netloc}",
        "User-Agent: vedette",
        "Accept: */*",
        "Connection: close",
        *([f"Authorization: {authorization}"] if authorization else []),
    ]
    message = http.client.HTTPResponse(wire, method="GET")  # type: ignore[arg-type]
    try:
        wire.send("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        message.begin()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _lost(address, error, "does not answer") from None
    return message


def _target(address: Address) -> str:
    parts = urllib.parse.urlsplit(address.uri)
    target = urllib.parse.quote(parts.path or "/", safe="/%:=&;,@!$'()*+~") + (
        f"?{parts.query}" if parts.query else ""
    )
    return target.encode("ascii", "ignore").decode()


def _redirected(address: Address, location: str) -> Address:
    """User and password go along only to the same host and port, and never from https to http."""
    uri = ""
    try:
        uri = urllib.parse.urljoin(address.uri, location.strip())
        before, after = urllib.parse.urlsplit(address.uri), urllib.parse.urlsplit(uri)
        known = after.scheme in _SCHEMES and after.hostname and "@" not in after.netloc
        same = (before.scheme, before.hostname, before.port) == (after.scheme, after.hostname, after.port)
    except ValueError:
        known = same = False
    if not known or re.search(r"[\s\x00-\x1f\x7f]", uri):
        raise SourceError(f"{address.shown} redirects to what is no address of HTTP", fix="check the address")
    return replace(address, uri=uri) if same else Address(uri)


def _authorization(address: Address, challenges: list[str]) -> str:
    """The answer to the best of ``challenges`` that is understood."""
    if not address.user and not address.password:
        raise _refused(address, HTTPStatus.UNAUTHORIZED)
    basic = False
    for challenge in challenges:
        kind, _, rest = challenge.strip().partition(" ")
        if kind.lower() == "digest":
            fields = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
            if answer := _digest(address, {name.lower(): value for name, value in fields.items()}):
                return answer
        basic = basic or kind.lower() == "basic"
    if not basic:
        raise SourceError(f"{address.shown} asks for user and password in a way that is not known here (401)")
    return "Basic " + b64encode(f"{address.user}:{address.password}".encode()).decode()


def _digest(address: Address, fields: dict[str, str]) -> str:
    """RFC 7616, 3.4, with ``qop`` auth or none; nothing if it asks for something else."""
    algorithm = fields.get("algorithm", "MD5").upper()
    offered = [one.strip() for one in fields.get("qop", "").split(",") if one.strip()]
    if algorithm not in _HASHES or (offered and "auth" not in offered) or "nonce" not in fields:
        return ""

    def digest(*parts: str) -> str:
        return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

    realm, nonce, target = fields.get("realm", ""), fields["nonce"], _target(address)
    count, own = "00000001", os.urandom(8).hex()
    secret, asked = digest(address.user, realm, address.password), digest("GET", target)
    proof = digest(secret, nonce, count, own, "auth", asked) if offered else digest(secret, nonce, asked)
    answer = {"username": address.user, "realm": realm, "nonce": nonce, "uri": target, "response": proof}
    if "opaque" in fields:
        answer["opaque"] = fields["opaque"]
    quoted = ", ".join(f'{name}="{value}"' for name, value in answer.items())
    return f"Digest {quoted}, algorithm={algorithm}" + (
        f', qop=auth, nc={count}, cnonce="{own}"' if offered else ""
    )


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _refused(address: Address, status: int) -> SourceError:
    if status == HTTPStatus.UNAUTHORIZED:
        return SourceError(
            f"{address.shown} wants another user and password (401)",
            fix='give the parameters user and password = "env:NAME" or "file:PATH"',
        )
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown status"
    return SourceError(f"{address.shown} answers {status} ({phrase})", fix="check the address")


def _lost(address: Address, error: Exception, what: str = "is lost") -> SourceError:
    if isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(error, OSError):
        reason = error.strerror or "it has ended the connection"
    else:
        reason = f"its answer is no HTTP ({type(error).__name__})"
    return SourceError(
        f"{address.shown} {what}: {reason}", fix="look whether it is switched on and reachable"
    )
