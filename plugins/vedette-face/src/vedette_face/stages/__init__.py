"""Stages: from boxes and landmarks of faces to names."""

from __future__ import annotations

from vedette.specs import StageSpec
from vedette_face.stages import align, anonymise, quality, recognise

STAGES: tuple[StageSpec, ...] = (
    align.FACE_ALIGN,
    align.FACE_ALIGN_LANDMARKS,
    quality.FACE_QUALITY,
    quality.FACE_GATE,
    recognise.RECOGNISE,
    anonymise.ANONYMISE,
    anonymise.ANONYMISE_STRANGERS,
)
