"""Stage: an event while more than so many things are in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from vedette import EventDraft, StageInputs, StageOutput


class CrowdParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``limit``: so many are still no crowd. ``hold``: frames that a change must last before it counts."""

    limit: Annotated[int, msgspec.Meta(ge=0)]
    hold: Annotated[int, msgspec.Meta(ge=1)] = 3


@dataclass(slots=True)
class State:
    """What the stage remembers of one stream. The pipeline keeps it and hands it in."""

    crowded: bool = False
    opposed: int = 0  # frames in a row that contradict ``crowded``


class Crowd:
    """Raises ``crowd.started`` and ``crowd.ended``."""

    def __init__(self, params: CrowdParams) -> None:
        self._params = params

    def start(self, stream: str) -> State:
        """A fresh state; called again after a reconnect or seek."""
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """Look at one packet."""
        count = len(inputs.results["boxes"])
        state.opposed = state.opposed + 1 if (count > self._params.limit) != state.crowded else 0
        if state.opposed < self._params.hold:
            return StageOutput()
        state.crowded, state.opposed = not state.crowded, 0
        kind = "crowd.started" if state.crowded else "crowd.ended"
        return StageOutput(events=(EventDraft(kind=kind, data={"count": count}),))
