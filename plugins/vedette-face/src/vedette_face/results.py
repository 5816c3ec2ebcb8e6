"""What is said of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification, Column, Detections, Result
from vedette.specs import ResultSpec, Roi
from vedette_face.alignment import SIDE

UNKNOWN = "unknown"
"""The name of everybody who is not enrolled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedFaces(Detections):
    """Faces and where each lies when it is turned upright: ``affine (n, 2, 3) float64`` maps pixels of a picture of
    112 x 112, as embedding networks expect it, to the frame. A model stage that works on them looks there."""

    type: ClassVar[str] = "aligned_faces"
    columns: ClassVar[Mapping[str, Column]] = {
        **Detections.columns,
        "affine": Column(np.float64, ("n", 2, 3)),
    }

    affine: NDArray[np.float64]

    def rois(self) -> Sequence[Roi]:
        """One region per face."""
        return [Roi(affine=affine, size_wh=(SIDE, SIDE)) for affine in self.affine]


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceQuality(Result):
    """How well a face is seen. All columns but the last are ``(n,) float32``.

    Attributes
    ----------
    size
        Distance of the eyes from the mouth and of the eyes from each other, the greater, in pixels of the frame: what a
        turned head keeps.
    sharpness
        Variance of the Laplacian of the aligned face, grey levels squared.
    brightness
        Its mean grey level, 0..1.
    contrast
        The standard deviation of its grey levels, 0..1.
    yaw, pitch, roll
        Degrees: turned to the viewer's right, up, and clockwise as the viewer sees it, are positive.
    reason
        ``(n,) int32``: 0 where nothing is wrong, else why the face is refused, as an index into ``labels``.
    """

    type: ClassVar[str] = "face_quality"
    columns: ClassVar[Mapping[str, Column]] = {
        "size": Column(np.float32),
        "sharpness": Column(np.float32),
        "brightness": Column(np.float32),
        "contrast": Column(np.float32),
        "yaw": Column(np.float32),
        "pitch": Column(np.float32),
        "roll": Column(np.float32),
        "reason": Column(np.int32),
    }

    size: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    yaw: NDArray[np.float32]
    pitch: NDArray[np.float32]
    roll: NDArray[np.float32]
    reason: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Identities(Classification):
    """Who each face belongs to. ``class_id (n, 1) int32`` is an index into ``labels``, of which 0 is ``"unknown"`` and
    the others are names in the order in which they were first said on this stream; ``confidence (n, 1) float32`` is the
    cosine to the best template, 0..1; ``margin (n,) float32`` by how much it is above the next person's;
    ``votes (n,) int32`` looks that the answer rests on, 0 where nobody has looked yet."""

    type: ClassVar[str] = "identities"
    columns: ClassVar[Mapping[str, Column]] = {
        **Classification.columns,
        "margin": Column(np.float32),
        "votes": Column(np.int32),
    }

    margin: NDArray[np.float32]
    votes: NDArray[np.int32]

    @property
    def names(self) -> list[str]:
        """One name per row."""
        return [self.labels[row[0]] if self.labels else UNKNOWN for row in self.class_id.tolist()]

    @property
    def known(self) -> NDArray[np.bool_]:
        """``(n,)``: which rows have a name."""
        return np.array([name != UNKNOWN for name in self.names], np.bool_)


RESULTS: tuple[ResultSpec, ...] = (
    ResultSpec(
        name=AlignedFaces.type, summary="Faces, turned upright by their landmarks.", result=AlignedFaces
    ),
    ResultSpec(
        name=FaceQuality.type, summary="How well a face is seen, and why it is refused.", result=FaceQuality
    ),
    ResultSpec(name=Identities.type, summary="Whose face it is.", result=Identities),
)
