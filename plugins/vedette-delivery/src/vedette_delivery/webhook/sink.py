"""The destination behind the sink ``webhook``: one POST per event, over a connection that is kept."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from vedette import __version__
from vedette.errors import ConfigError
from vedette.outbox.courier import Later, Settle
from vedette.outbox.outbox import OnCommit
from vedette.outbox.sink import OutboxSink
from vedette.outbox.store import Stored
from vedette.secrets import resolve_secret
from vedette_delivery.messages import Messages, Unreadable
from vedette_delivery.webhook.params import WebhookParams
from vedette_delivery.webhook.signature import key_of, signed_headers

FOR_THE_SERVER = (401, 402, 403, 404, 405, 407, 408, 409, 421, 423, 425, 429)
"""Statuses below 500 that say something of the server, of this client or of the moment: the event waits. Others refuse
the event itself (400, 410, 413, 415, 422 ...): it is put aside."""
LONGEST_AFTER_S = 3600.0
ANSWER_BYTES = 65_536


def open_webhook(params: WebhookParams, on_commit: OnCommit | None = None) -> OutboxSink:
    """Open the sink. The server need not be there.

    Raises
    ------
    ConfigError
        The address, a secret or a header is not what it should be.
    PipelineError
        The outbox cannot be opened.
    """
    host = urlsplit(params.url).hostname or ""
    return OutboxSink(params.outbox, f"webhook {host}", lambda: Hook(params), on_commit=on_commit)


class Hook:
    """Posts events one after the other."""

    batch = 16

    def __init__(self, params: WebhookParams) -> None:
        address = urlsplit(params.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError("webhook: url is no address of a web server", fix="give http:// or https://")
        if address.username or address.password:
            raise ConfigError(
                "webhook: url has a user or password in it", fix='set authorization = "env:NAME" instead'
            )
        self._host, self._port = address.hostname, address.port
        self._target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        self._timeout_s = params.timeout_s
        self._tls = _tls(params.ca) if address.scheme == "https" else None
        self._key = (
            None if params.secret is None else key_of(resolve_secret(params.secret, "webhook: secret"))
        )
        self._headers = _headers(params)
        self._messages = Messages(params.evidence, params.outbox.path)
        self._connection: http.client.HTTPConnection | None = None

    def deliver(self, items: Sequence[Stored], settle: Settle) -> None:
        for item in items:
            try:
                body = self._messages.of(item).body
            except Unreadable as error:
                settle(item, str(error))
                continue
            settle(item, self._post(item.id, body))

    def tend(self) -> None:
        """A server that nothing is sent to need not be asked."""

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _post(self, identity: str, body: bytes) -> str | None:
        headers = {**self._headers, "Idempotency-Key": identity}
        if self._key is not None:
            headers |= signed_headers(self._key, identity, int(time.time()), body)
        kept = self._connection is not None
        try:
            return _verdict(self._exchange(body, headers))
        except (ConnectionError, http.client.HTTPException, OSError) as error:
            self.close()
            idle = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError)
            if not (kept and idle):
                raise Later(f"{self._host}: {type(error).__name__} {error}".rstrip()) from error
        try:  # the server had closed the kept connection: once more, over a new one
            return _verdict(self._exchange(body, headers))
        except (ConnectionError, http.client.HTTPException, OSError) as error:
            self.close()
            raise Later(f"{self._host}: {type(error).__name__} {error}".rstrip()) from error

    def _exchange(self, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._connection is None:
            if self._tls is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            else:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._tls
                )
        self._connection.request("POST", self._target, body, headers)
        answer = self._connection.getresponse()
        answer.read(ANSWER_BYTES)
        if not answer.isclosed() or answer.will_close:  # more than anybody reads
            self.close()
        return answer


def _verdict(answer: http.client.HTTPResponse) -> str | None:
    """``None``: it has the event; a text: it refuses it."""
    status = answer.status
    if 200 <= status < 300:
        return None
    text = f"the server says {status} {answer.reason}".rstrip()
    if 400 <= status < 500 and status not in FOR_THE_SERVER:
        return text
    raise Later(text, after_s=_after_s(answer.headers.get("Retry-After")))


def _after_s(value: str | None) -> float:
    """What ``Retry-After`` asks for, in seconds or as a date; within an hour."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_AFTER_S) if seconds == seconds else 0.0


def _headers(params: WebhookParams) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"vedette-delivery/{__version__}",
        **params.headers,
    }
    if params.authorization is not None:
        headers["Authorization"] = resolve_secret(params.authorization, "webhook: authorization")
    for name, value in headers.items():
        if "\n" in name + value or "\r" in name + value or not name.isascii() or not value.isascii():
            raise ConfigError(f"webhook: header {name!r} is not one line of ASCII")
    return headers


def _tls(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"webhook: ca: {ca} cannot be read: {error}", fix="give the path of a PEM file"
        ) from None
