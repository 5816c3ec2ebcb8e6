"""From pictures to embeddings of the faces in them, or why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.pack import read_sample
from vedette.decoding import image_decoder
from vedette.frame import Frame
from vedette.model.single import Model
from vedette.registry import Registry
from vedette.results import Detections, Embedding
from vedette_face.alignment import align, alignable
from vedette_face.gallery.errors import GalleryError
from vedette_face.quality import Gates, assess
from vedette_face.results import AlignedFaces, FaceQuality

ENROL = Gates(min_size=20.0, max_yaw=35.0, max_pitch=35.0)
"""What a face must be to stand for its owner: stricter than to be recognised."""
RECOGNISE = Gates()


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """A face in a picture. ``vector (d,) float32``; ``problem``: why it is too poor, or empty; ``worth``: how good it
    is, to choose by."""

    where: str
    xyxy: tuple[int, int, int, int]
    vector: NDArray[np.float32]
    problem: str
    worth: float


class Looker:
    """A detector with five landmarks, and an embedding network.

    Parameters
    ----------
    detector, embedding
        Bundles: paths or names.

    Raises
    ------
    VedetteError
        As :class:`vedette.Model`.
    GalleryError
        One of them is not what it is taken for.
    """

    def __init__(self, detector: str, embedding: str, registry: Registry) -> None:
        self._decode = image_decoder(registry)
        self._detector = Model(detector, registry=registry)
        try:
            self._embedding = Model(embedding, registry=registry)
        except BaseException:
            self._detector.close()
            raise
        self.model = self._embedding.bundle.digest

    def faces(self, picture: Path, gates: Gates) -> list[Face]:
        """All faces in a picture.

        Raises
        ------
        VedetteError
            It cannot be read, or a model is not of the right kind.
        """
        return self.faces_of(
            self._detector.frame(read_sample(picture, self._decode, "the picture").pixels),
            str(picture),
            gates,
        )

    def faces_of(self, frame: Frame, where: str, gates: Gates) -> list[Face]:
        """All faces in a frame."""
        found = self._detector(frame)
        if not isinstance(found, Detections) or found.points is None or found.points.shape[1] != 5:
            raise GalleryError(
                f"{self._detector.bundle.path}: this is no detector of faces with five landmarks",
                fix="use one that gives them, for example YuNet",
            )
        good = np.flatnonzero(alignable(found.points))
        aligned = _aligned(found, good)
        if not len(aligned):
            return []
        vectors = self._embedding(frame, aligned.rois())
        if not isinstance(vectors, Embedding):
            raise GalleryError(f"{self._embedding.bundle.path}: this is no embedding model")
        quality = assess(frame, aligned, gates)
        return [
            Face(
                where=where,
                xyxy=tuple(np.round(aligned.xyxy[row]).astype(int).tolist()),
                vector=vectors.vector[row],
                problem=_problem(quality, row),
                worth=_worth(quality, row),
            )
            for row in range(len(aligned))
        ]

    def close(self) -> None:
        """Free both models."""
        self._detector.close()
        self._embedding.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def the_one_face(faces: Sequence[Face]) -> Face | str:
    """The face of a picture that shows one person, or why it is none to enrol."""
    if len(faces) != 1:
        return "no face" if not faces else f"{len(faces)} faces, and nobody says whose is meant"
    return faces[0].problem or faces[0]


def best(faces: Iterable[Face], most: int) -> list[Face]:
    """The ``most`` faces that show the most, best first."""
    return sorted(faces, key=lambda face: -face.worth)[:most]


def _aligned(found: Detections, rows: NDArray[np.intp]) -> AlignedFaces:
    assert found.points is not None
    points = found.points[rows]
    return AlignedFaces(
        xyxy=found.xyxy[rows],
        confidence=found.confidence[rows],
        class_id=found.class_id[rows],
        points=points,
        affine=align(points) if len(rows) else np.empty((0, 2, 3)),
    )


def _problem(quality: FaceQuality, row: int) -> str:
    reason = quality.labels[quality.reason[row]]
    if quality.reason[row] == 0:
        return ""
    measured = {
        "too small": f"{quality.size[row]:.0f} pixels from eye to eye or mouth",
        "turned sideways": f"{abs(quality.yaw[row]):.0f} degrees",
        "turned up or down": f"{abs(quality.pitch[row]):.0f} degrees",
        "tilted": f"{abs(quality.roll[row]):.0f} degrees",
        "blurred": f"sharpness {quality.sharpness[row]:.1f}",
    }
    return f"{reason} ({measured[reason]})" if reason in measured else reason


def _worth(quality: FaceQuality, row: int) -> float:
    """Large enough for the network, and seen from the front; among those, the sharper."""
    size = min(float(quality.size[row]) / 35.0, 1.0)
    front = float(np.cos(np.radians(quality.yaw[row])) * np.cos(np.radians(quality.pitch[row])))
    sharp = float(quality.sharpness[row])
    return size * front * sharp / (sharp + 100.0)
