"""Sinks: where packets and events go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from vedette.events import Event
from vedette.specs.base import NoParams, Spec

if TYPE_CHECKING:
    from vedette.packet import Packet


class Sink(Protocol):
    """Where results go. Called by one thread at a time; packets of a stream come in order."""

    def write(self, packet: Packet) -> None:
        """Take one packet."""
        ...

    def write_event(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Finish: what is written is complete and readable. Closing twice is fine."""
        ...

    def abort(self) -> None:
        """Finish after a failure or interrupt: keep what is complete, leave nothing half-written."""
        ...


@runtime_checkable
class FlushingSink(Sink, Protocol):
    """A sink that has not stored at once what it was given."""

    def flush(self) -> None:
        """Return when all that was written before is on disk; called before the state of a stream is saved, so that
        what is not done again after a stop is not lost. Not by the thread that writes. Raises where that cannot be."""
        ...


@runtime_checkable
class HoldingSink(Sink, Protocol):
    """A sink that keeps what it was given until it is delivered, and may be full."""

    def ready(self) -> bool:
        """Whether more may come. While it may not, no frame is admitted: live ones are dropped (``outbox``), files
        wait. What is in flight still comes, and must be taken. Cheap: asked for each frame."""
        ...

    def status(self) -> Mapping[str, Any]:
        """What waits and why, as plain data for the summary; also after :meth:`close`."""
        ...


@dataclass(frozen=True, kw_only=True)
class SinkSpec(Spec):
    """``open(params)`` opens it. A sink that shows ``needs_pixels=True`` keeps the frame's full pixels alive."""

    open: Callable[[Any], Sink]
    params: type[msgspec.Struct] = NoParams
    needs_pixels: bool = False
