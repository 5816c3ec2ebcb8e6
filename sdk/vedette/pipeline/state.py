"""State per stream: what ordered stages and recurrent models remember between packets."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("vedette.pipeline")


@dataclass(slots=True, eq=False)
class Kept:
    """The state of one stage on one stream, valid within an epoch. ``ordinals`` count its events per subject."""

    epoch: int
    signature: str
    value: Any = None
    started: bool = False
    ordinals: dict[str, int] = field(default_factory=dict)


class StreamState:
    """The kept states of a stream, by stage. Each is touched only inside the lane of its stage."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._kept: dict[str, Kept] = {}

    def of(self, stage: str, epoch: int, signature: str) -> Kept:
        """The state of ``stage``; a fresh one after a new epoch or when the stage became another one.

        ``signature`` says what the state fits: it survives a change of plan only where both are equal.
        """
        kept = self._kept.get(stage)
        if kept is not None and kept.epoch == epoch and kept.signature == signature:
            return kept
        if kept is not None:
            reason = "a new epoch" if kept.epoch != epoch else "the stage was replaced by another one"
            log.info("stream %r, stage %r: state starts afresh: %s", self._stream, stage, reason)
        kept = self._kept[stage] = Kept(epoch, signature)
        return kept
