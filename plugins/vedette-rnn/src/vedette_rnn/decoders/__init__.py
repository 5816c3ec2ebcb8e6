"""Decoders: from a network's raw outputs to a result."""

from __future__ import annotations

from vedette.specs import PostprocessSpec
from vedette_rnn.decoders import clip_scores

DECODERS: tuple[PostprocessSpec, ...] = (clip_scores.SPEC,)
