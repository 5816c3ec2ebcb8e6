"""The destination behind the sink ``mqtt``: it keeps a connection, publishes with QoS 1 and waits for the receipts."""

from __future__ import annotations

import hashlib
import platform
import ssl
from collections.abc import Sequence
from pathlib import Path

from vedette.errors import ConfigError
from vedette.outbox.courier import Later, Settle
from vedette.outbox.outbox import OnCommit
from vedette.outbox.sink import OutboxSink
from vedette.outbox.store import Stored
from vedette.secrets import resolve_secret
from vedette_delivery.messages import Messages, Unreadable
from vedette_delivery.mqtt.connection import WINDOW, Connection, Login
from vedette_delivery.mqtt.discovery import Discovery
from vedette_delivery.mqtt.params import DiscoveryParams, MqttParams, TlsParams
from vedette_delivery.mqtt.topics import EVENT_WORDS, check_template, event_words, fill

OVERHEAD = 1024
"""Bytes of a packet besides payload and topic, at most."""


def open_mqtt(params: MqttParams, on_commit: OnCommit | None = None) -> OutboxSink:
    """Open the sink. The broker need not be there.

    Raises
    ------
    ConfigError
        A secret, a certificate or a topic is not what it should be.
    PipelineError
        The outbox cannot be opened.
    """
    return OutboxSink(params.outbox, f"mqtt {params.host}", lambda: Broker(params), on_commit=on_commit)


class Broker:
    """Publishes events; connects when it has to, and stays connected so that others see that this box is there."""

    batch = WINDOW

    def __init__(self, params: MqttParams) -> None:
        box = platform.node()
        check_template(params.topic, ("box", *EVENT_WORDS), "topic")
        check_template(params.status_topic, ("box",), "status_topic")
        self._topic = params.topic
        self._box = box
        self._login = _login(params, fill(params.status_topic, box, {}))
        self._messages = Messages(params.evidence, params.outbox.path)
        self._discovery: Discovery | None = None
        if params.home_assistant is not False:
            wanted = DiscoveryParams() if params.home_assistant is True else params.home_assistant
            self._discovery = Discovery(wanted, box, params.topic, self._login.status_topic)
        self._announced: set[str] = set()
        self._connection: Connection | None = None

    def deliver(self, items: Sequence[Stored], settle: Settle) -> None:
        connection = self._connected()
        try:
            under_way = [(item, self._publish(connection, item)) for item in items]
            for item, number in under_way:
                refused = number if isinstance(number, str) else connection.confirmed(number)
                settle(item, refused or None)
        except Later:
            self.close()
            raise

    def tend(self) -> None:
        self._connected()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.alive:
            self.close()
        if self._connection is None:
            self._connection = Connection(self._login)
            self._announced.clear()  # the broker may have been replaced, and its retained messages with it
        return self._connection

    def _publish(self, connection: Connection, item: Stored) -> int | str:
        """The number of the message, or why it will never be sent."""
        try:
            message = self._messages.of(item)
        except Unreadable as error:
            return str(error)
        if connection.most_bytes is not None and len(message.body) + OVERHEAD > connection.most_bytes:
            return f"it has {len(message.body)} bytes, and the broker takes {connection.most_bytes}"
        if self._discovery is not None:
            topic, payload = self._discovery.of(message.event)
            if topic not in self._announced:
                connection.confirmed(connection.publish(topic, payload, retain=True))
                self._announced.add(topic)
        topic = fill(self._topic, self._box, event_words(message.event))
        return connection.publish(topic, message.body, key=item.id)


def _login(params: MqttParams, status_topic: str) -> Login:
    if params.password is not None and params.user is None:
        raise ConfigError("mqtt: there is a password without a user", fix="give user, too")
    tls = None
    if params.tls is not False:
        tls = _tls(TlsParams() if params.tls is True else params.tls)
    own = f"{platform.node()}\0{Path(params.outbox.path).absolute()}"
    return Login(
        host=params.host,
        port=params.port or (8883 if tls else 1883),
        version=params.version,
        client_id=params.client_id or f"vedette-{hashlib.blake2b(own.encode(), digest_size=6).hexdigest()}",
        user=params.user,
        password=None if params.password is None else resolve_secret(params.password, "mqtt: password"),
        tls=tls,
        keepalive_s=params.keepalive_s,
        timeout_s=params.timeout_s,
        status_topic=status_topic,
    )


def _tls(params: TlsParams) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=params.ca)
        if params.certificate is not None:
            context.load_cert_chain(params.certificate, params.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"mqtt: tls: a certificate cannot be read: {error}", fix="give paths of PEM files"
        ) from None
    return context
