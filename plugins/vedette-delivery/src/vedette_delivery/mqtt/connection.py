"""One connection to a broker, from connecting to its end: a new one is made after each failure.

Nothing is left to the client's own queue and reconnecting: what was not confirmed is in the outbox.
"""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vedette.outbox.courier import Later

WINDOW = 20
"""Messages on their way at once."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """How to connect."""

    host: str
    port: int
    version: str
    client_id: str
    user: str | None
    password: str | None
    tls: ssl.SSLContext | None
    keepalive_s: int
    timeout_s: float
    status_topic: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"Login({self.host}:{self.port})"


class Connection:
    """A connection that stands.

    Raises
    ------
    Later
        The broker cannot be reached, or lets nobody in.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._five = login.version == "5"
        self._changed = threading.Condition(threading.Lock())
        self._greeting: ReasonCode | None = None
        self._gone = ""
        self._receipts: dict[int, ReasonCode] = {}
        self.most_bytes: int | None = None
        """The largest packet that the broker takes, where it says so."""
        self._client = self._make()
        try:
            self._client.connect(login.host, login.port, login.keepalive_s)
        except (OSError, ValueError) as error:
            raise Later(f"{login.host}:{login.port}: {error}") from None
        self._client.loop_start()
        try:
            self._wait_for_greeting()
        except Later:
            self._drop()
            raise
        self.publish(login.status_topic, b"online", retain=True)

    @property
    def alive(self) -> bool:
        return not self._gone and self._client.is_connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, key: str = "") -> int:
        """Send a message with QoS 1; returns its number for :meth:`confirmed`."""
        properties = None
        if self._five and key:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "application/json"
            properties.UserProperty = ("event-id", key)
        if not self.alive:
            raise Later(self._gone or "the connection is lost")
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def confirmed(self, number: int) -> str:
        """Wait for the receipt of a message. ``""``: received; else why the broker will not take it, ever.

        Raises
        ------
        Later
            The receipt does not come, or the broker does not take it now.
        """
        with self._changed:
            deadline_s = time.monotonic() + self._login.timeout_s
            while number not in self._receipts:
                left_s = deadline_s - time.monotonic()
                if self._gone:
                    raise Later(self._gone)
                if left_s <= 0:
                    raise Later(f"the broker sent no receipt within {self._login.timeout_s:g} s")
                self._changed.wait(left_s)
            reason = self._receipts.pop(number)
        if not reason.is_failure:
            return ""
        if reason.value in (0x90, 0x99):  # topic name invalid, payload format invalid
            return f"the broker says: {reason}"
        raise Later(f"the broker says: {reason}")

    def close(self) -> None:
        """Say goodbye: the last will is for those who cannot."""
        if self.alive:
            with suppress(Later):
                self.confirmed(self.publish(self._login.status_topic, b"offline", retain=True))
        self._drop()

    def _drop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _make(self) -> paho.Client:
        login = self._login
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            clean_session=None if self._five else True,
            protocol=paho.MQTTv5 if self._five else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = login.timeout_s
        client.max_inflight_messages_set(WINDOW)
        client.max_queued_messages_set(0)
        if login.user is not None:
            client.username_pw_set(login.user, login.password)
        if login.tls is not None:
            client.tls_set_context(login.tls)
        client.will_set(login.status_topic, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _wait_for_greeting(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._greeting is not None or self._gone, self._login.timeout_s)
            if self._greeting is None:
                raise Later(self._gone or f"the broker did not answer within {self._login.timeout_s:g} s")
            if self._greeting.is_failure:
                raise Later(f"the broker does not let this client in: {self._greeting}")

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._greeting = reason
            self.most_bytes = getattr(properties, "MaximumPacketSize", None)
            self._changed.notify_all()

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._gone = f"the connection to the broker is lost: {reason}"
            self._changed.notify_all()

    def _on_publish(self, client: Any, data: Any, number: int, reason: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._receipts[number] = reason
            self._changed.notify_all()
