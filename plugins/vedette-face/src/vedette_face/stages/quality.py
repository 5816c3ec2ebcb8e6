"""The stages ``face-quality`` and ``face-gate``: what is wrong with a face, and only those with which nothing is."""

from __future__ import annotations

from dataclasses import replace

from vedette.errors import PluginError
from vedette.specs import NoParams, StageInputs, StageSpec
from vedette_face.quality import Gates, assess
from vedette_face.results import AlignedFaces, FaceQuality

FACES = "boxes"
QUALITY = "quality"


class Quality:
    """Measures aligned faces and names what is wrong with them; leaves none out."""

    def __init__(self, params: Gates) -> None:
        self._gates = params

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> FaceQuality:
        faces = inputs.results[FACES]
        assert isinstance(faces, AlignedFaces)
        return replace(assess(inputs.frame, faces, self._gates), source=inputs.stages.get(FACES, FACES))


class Gate:
    """Lets through the faces with which nothing is wrong. ``source`` and ``source_row`` stay those of the alignment: a
    face that went through belongs to the same box as before."""

    def __init__(self, params: NoParams) -> None:
        pass

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> AlignedFaces:
        faces, quality = inputs.results[FACES], inputs.results[QUALITY]
        assert isinstance(faces, AlignedFaces)
        assert isinstance(quality, FaceQuality)
        source = inputs.stages.get(FACES, quality.source)
        if quality.source != source or len(quality) != len(faces):
            raise PluginError(
                f"stage 'face-gate': the quality is that of {quality.source!r}, not of {source!r}",
                fix=f'have the stage face-quality take boxes = "{source}"',
            )
        return faces.select(quality.reason == 0)


FACE_QUALITY = StageSpec(
    name="face-quality",
    summary="How large, sharp, bright and turned each aligned face is, and what is wrong with it.",
    takes={FACES: AlignedFaces},
    gives=FaceQuality,
    params=Gates,
    build=Quality,
)
FACE_GATE = StageSpec(
    name="face-gate",
    summary="Lets through the faces with which face-quality finds nothing wrong.",
    takes={FACES: AlignedFaces, QUALITY: FaceQuality},
    gives=AlignedFaces,
    build=Gate,
)
