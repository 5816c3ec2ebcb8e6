"""What is said of a broker in a configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vedette.outbox.params import OutboxParams
from vedette_delivery.params import EvidenceParams


class TlsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``tls = { ... }``: the connection is encrypted, and the broker's certificate and name are checked."""

    ca: str | None = None
    """Certificates that vouch for the broker (PEM); default: those that this system trusts."""
    certificate: str | None = None
    """This box's own certificate (PEM), where the broker asks for one."""
    key: str | None = None
    """Its key (PEM), where it is not in the same file."""


class DiscoveryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``home_assistant = { ... }``: Home Assistant is told of each kind of event of each stream (an ``event``
    entity)."""

    prefix: str = "homeassistant"
    """Its discovery prefix."""
    name: str | None = None
    """The device that the entities belong to; default: ``Vedette BOX``."""


class MqttParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``mqtt``. Events are published with QoS 1 and are not retained."""

    host: str
    outbox: OutboxParams
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """Default: 1883, with ``tls`` 8883."""
    version: Literal["5", "3.1.1"] = "5"
    """Of MQTT."""
    tls: bool | TlsParams = False
    user: str | None = None
    password: str | None = None
    """Where it is: ``env:NAME`` or ``file:PATH``."""
    client_id: str | None = None
    """Default: ``vedette-`` and a number made of this box and the path of the outbox. The broker drops the older one of
    two clients with the same id."""
    topic: str = "vedette/{box}/{stream}/{kind}"
    """Topic of an event; also ``{stage}`` and ``{subject}``. What cannot stand in a level becomes ``_``."""
    status_topic: str = "vedette/{box}/status"
    """Retained: ``online`` while connected; ``offline`` after closing, or as last will."""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    """The broker publishes the last will after one and a half times this long without a sign."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    """For connecting, and for a receipt."""
    evidence: EvidenceParams = EvidenceParams()
    home_assistant: bool | DiscoveryParams = False
