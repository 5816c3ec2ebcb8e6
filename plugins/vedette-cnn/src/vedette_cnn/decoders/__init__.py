"""Decoders: from a network's raw outputs to a result. One file per output format, each a pure function of arrays."""

from __future__ import annotations

from vedette.specs import PostprocessSpec
from vedette_cnn.decoders import classification, fastestdet, ssd, ultraface, yolox, yunet

DECODERS: tuple[PostprocessSpec, ...] = (
    classification.SPEC,
    fastestdet.SPEC,
    ssd.SPEC,
    ultraface.SPEC,
    yolox.SPEC,
    yunet.SPEC,
)
