"""Packet: one frame plus what each stage made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vedette.events import Event
from vedette.frame import Frame
from vedette.results import Result


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """The stage ran; zero rows mean that it looked and found nothing. ``None`` where a stage gives no result."""

    result: Result | None


@dataclass(frozen=True, slots=True)
class NotRun:
    """The stage did not look: its ``rate`` skipped this frame, a result it takes is not there (``no_input``), or the
    frame was kept for a clip that is not due yet (``window``)."""

    reason: Literal["rate", "no_input", "window"]


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The stage raised; the error names plugin, distribution, version and stage."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The stage failed too often and is no longer called."""


Outcome = Ran | NotRun | Failed | Quarantined


@dataclass(slots=True, eq=False)
class Packet:
    """What sinks and observers receive. Read it, do not change it."""

    frame: Frame
    outcome: dict[str, Outcome] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """No stage failed or is quarantined."""
        return not any(isinstance(outcome, Failed | Quarantined) for outcome in self.outcome.values())

    @property
    def results(self) -> Mapping[str, Result]:
        """The results of the stages that ran, by stage name."""
        return {
            name: outcome.result
            for name, outcome in self.outcome.items()
            if isinstance(outcome, Ran) and outcome.result is not None
        }
