"""The message that an event becomes: its fields as one JSON object, its evidence in it, beside it or left out.

::

    {
        "id": "6f0c...",
        "kind": "zone.entered",
        "stream": "gate",
        "epoch": 0,
        "stage": "zones",
        "subject": "track:7",
        "t_start_ns": 1764000000123456789,
        "t_end_ns": null,
        "data": {"zone": "door"},
        "evidence": [
            {"media_type": "image/png", "path": null, "data": "iVBORw0...", "title": "...", "sha256": null}
        ],
    }
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from vedette.errors import PipelineError, ResultError
from vedette.events import Event
from vedette.outbox.courier import Later
from vedette.outbox.store import Stored
from vedette.sinks.evidence import stored
from vedette.sinks.record import parse_line
from vedette.sinks.retention import Retention
from vedette_delivery.params import EvidenceParams


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: ``body`` is UTF-8 JSON."""

    event: Event
    body: bytes


class Unreadable(Exception):  # noqa: N818 - a signal, not a failure
    """An event whose stored form cannot be read; it will not become readable."""


class Messages:
    """Makes messages of what an outbox holds. ``outbox``: the path of its database."""

    def __init__(self, params: EvidenceParams, outbox: str) -> None:
        self._where = params.where
        self._beside = Path(outbox).expanduser().absolute()
        folder = self._beside.with_name(f"{self._beside.stem}.evidence")
        self._retention = Retention(folder, keep_mb=params.keep_mb, keep_days=params.keep_days)

    def of(self, item: Stored) -> Message:
        """The message of an event; its evidence is in files when this returns, if it is to be.

        Raises
        ------
        Later
            The evidence cannot be written now.
        Unreadable
            It is no event.
        """
        try:
            event = parse_line(item.body, {})
        except ResultError as error:
            raise Unreadable(error.message) from error
        if not isinstance(event, Event):
            raise Unreadable("it is no event")
        if event.evidence and self._where != "inline":
            event = self._filed(event) if self._where == "files" else replace(event, evidence=())
        return Message(event, msgspec.json.encode(event))

    def _filed(self, event: Event) -> Event:
        try:
            filed = stored(event, self._beside)
        except PipelineError as error:
            raise Later(error.message) from error
        self._retention.sweep()
        folder = self._beside.parent
        return replace(
            filed,
            evidence=tuple(
                replace(item, path=str(folder / item.path)) if item.path is not None else item
                for item in filed.evidence
            ),
        )
