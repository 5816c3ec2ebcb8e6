"""What is said of an outbox in a configuration. Light: importing it opens and loads nothing."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class OutboxParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``outbox = { ... }`` of a sink: where its events are until they are delivered, and what holds when there are too
    many."""

    path: str
    """The database, on a local disk; from the working directory, as all that sinks write. Each sink has its own."""
    full: Literal["wait", "oldest"] = "wait"
    """``wait``: no frames are admitted until there is room (live ones are dropped with the reason ``outbox``, files
    wait), and no event is lost; ``oldest``: the oldest events are dropped, counted and logged."""
    max_mb: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 256.0
    """The outbox is full with so many megabytes (10^6 bytes) of events and their evidence."""
    max_age_h: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """It is also full when the oldest event has waited so many hours, counted while Vedette runs; default: never."""
