"""Stages: what goes in front of models over time, and what comes of their answers."""

from __future__ import annotations

from vedette.specs import StageSpec
from vedette_rnn.stages import activity, relative_point

STAGES: tuple[StageSpec, ...] = (activity.SPEC, relative_point.SPEC)
