"""What this distribution adds to Vedette. Light: the MQTT client is loaded when such a sink is opened."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.hookspecs import hookimpl
from vedette.specs import Sink, SinkSpec
from vedette_delivery.mqtt.params import MqttParams
from vedette_delivery.webhook.params import WebhookParams


def _mqtt(params: MqttParams) -> Sink:
    from vedette_delivery.mqtt.sink import open_mqtt

    return open_mqtt(params)


def _webhook(params: WebhookParams) -> Sink:
    from vedette_delivery.webhook.sink import open_webhook

    return open_webhook(params)


@hookimpl
def vedette_sinks() -> Iterable[SinkSpec]:
    """Events to a broker, or to a web server."""
    return [
        SinkSpec(
            name="mqtt",
            summary="Events to an MQTT broker, at least once; Home Assistant finds them.",
            open=_mqtt,
            params=MqttParams,
        ),
        SinkSpec(
            name="webhook",
            summary="Events to a web server by HTTP POST, at least once, signed.",
            open=_webhook,
            params=WebhookParams,
        ),
    ]
