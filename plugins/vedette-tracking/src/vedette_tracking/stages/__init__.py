"""Stages: who is who, where they are and how fast."""

from __future__ import annotations

from vedette.specs import StageSpec
from vedette_tracking.stages import ground, tracker, zones

STAGES: tuple[StageSpec, ...] = (
    tracker.TRACKER,
    tracker.APPEARANCE_TRACKER,
    zones.SPEC,
    ground.SPEC,
)
