"""Event: something that happened on a stream, for sinks to deliver at least once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A picture or clip that shows why an event was raised: a file beside the event, or bytes not yet stored.

    ``title`` says what it shows, for people (``saliency of cat 0.93``). ``sha256``: of the file at ``path``, as 64
    hexadecimal digits.
    """

    media_type: str
    path: str | None = None
    data: bytes | None = None
    title: str = ""
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """What a stage says happened; the pipeline stamps it and makes an :class:`Event` of it.

    ``kind`` is a dotted word (``zone.entered``), ``subject`` what it is about (``track:7``). ``t_start_ns`` and
    ``t_end_ns`` are wall-clock times; ``None`` means the time of the frame, and "still going on".
    """

    kind: str
    subject: str = ""
    t_start_ns: int | None = None
    t_end_ns: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stamped event. The same input through the same pipeline gives the same ``id``, so that a delivery can be
    repeated without being counted twice."""

    id: str
    kind: str
    stream: str
    epoch: int
    stage: str
    subject: str
    t_start_ns: int
    t_end_ns: int | None
    data: Mapping[str, Any]
    evidence: tuple[Evidence, ...] = ()


def event_id(box: str, pipeline: str, stream: str, epoch: int, stage: str, subject: str, ordinal: int) -> str:
    """The id of the ``ordinal``-th event about ``subject``: 32 hexadecimal digits, a pure function of its arguments.

    >>> event_id("box", "door", "cam", 0, "zones", "track:7", 0) == event_id(
    ...     "box", "door", "cam", 0, "zones", "track:7", 0
    ... )
    True
    """
    parts = (box, pipeline, stream, str(epoch), stage, subject, str(ordinal))
    framed = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
    return hashlib.blake2b(framed, digest_size=16).hexdigest()
