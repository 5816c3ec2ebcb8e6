"""Home Assistant's MQTT discovery: one retained message tells it of each kind of event of each stream.

The format is that of https://www.home-assistant.io/integrations/event.mqtt/.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from vedette import __version__
from vedette.events import Event
from vedette_delivery.mqtt.params import DiscoveryParams
from vedette_delivery.mqtt.topics import event_words, fill

TEMPLATE = (
    "{{ {'event_type': value_json.kind, 'id': value_json.id, 'subject': value_json.subject,"
    " 't_start_ns': value_json.t_start_ns, 'data': value_json.data} | to_json }}"
)


@dataclass(frozen=True)
class Discovery:
    """Says what Home Assistant has to know. ``topic``: the template of events, ``status``: where availability is."""

    params: DiscoveryParams
    box: str
    topic: str
    status: str

    def of(self, event: Event) -> tuple[str, bytes]:
        """Topic and payload of the discovery message for the likes of ``event``: same stream, stage and kind."""
        words = event_words(event)
        node = _short(self.box)
        unique = f"vedette_{_short(self.box, event.stream, event.stage, event.kind)}"
        config = {
            "name": f"{event.stream} {event.kind}",
            "unique_id": unique,
            "object_id": unique,
            "state_topic": fill(self.topic, self.box, {**words, "subject": "+"}),
            "event_types": [event.kind],
            "value_template": TEMPLATE,
            "qos": 1,
            "availability_topic": self.status,
            "payload_available": "online",
            "payload_not_available": "offline",
            "device": {
                "identifiers": [f"vedette_{node}"],
                "name": self.params.name or f"Vedette {self.box}",
                "manufacturer": "Vedette",
                "sw_version": __version__,
            },
            "origin": {"name": "vedette-delivery", "sw_version": __version__},
        }
        return f"{self.params.prefix}/event/vedette_{node}/{unique}/config", msgspec.json.encode(config)


def _short(*words: str) -> str:
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
