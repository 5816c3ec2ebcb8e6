"""How well faces are seen, and which are too poor to be recognised or enrolled."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.frame import Frame
from vedette.vision.regions import sample_turned
from vedette_face.alignment import SIDE
from vedette_face.pose import pose
from vedette_face.results import AlignedFaces, FaceQuality

REASONS = (
    "good",
    "too small",
    "turned sideways",
    "turned up or down",
    "tilted",
    "blurred",
    "too dark",
    "too bright",
    "flat",
)
"""``FaceQuality.labels``: why a face is refused, in the order in which it is asked; the first is said."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Degrees = Annotated[float, msgspec.Meta(ge=0, le=180)]
AtLeast = Annotated[float, msgspec.Meta(ge=0)]
FACE = slice(SIDE // 8, SIDE - SIDE // 8)
"""Rows and columns of an aligned face that show skin rather than what is behind it."""


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a face must be to be looked at further.

    Attributes
    ----------
    min_size
        Pixels between the eyes, or from the eyes to the mouth, whichever is more. A network for 112 x 112 sees the eyes
        35 apart.
    max_yaw, max_pitch, max_roll
        Degrees by which the head may be turned. Alignment takes the roll out; more than a right angle is rather a false
        detection.
    min_sharpness
        Variance of the Laplacian, grey levels squared. Depends on the camera: look at what yours gives.
    min_brightness, max_brightness
        Mean grey level, 0..1.
    min_contrast
        Standard deviation of the grey levels, 0..1.
    """

    min_size: AtLeast = 14.0
    max_yaw: Degrees = 45.0
    max_pitch: Degrees = 40.0
    max_roll: Degrees = 60.0
    min_sharpness: AtLeast = 5.0
    min_brightness: Share = 0.12
    max_brightness: Share = 0.92
    min_contrast: Share = 0.03


def assess(frame: Frame, faces: AlignedFaces, gates: Gates) -> FaceQuality:
    """Measure every face of a frame, and say which pass the gates.

    Parameters
    ----------
    faces
        With ``points``, as the stages ``face-align`` give them.

    Returns
    -------
    FaceQuality
        One row per row of ``faces``, ``source_row`` counting them.

    Raises
    ------
    SourceError
        The frame cannot be decoded.
    """
    n = len(faces)
    points = np.zeros((0, 5, 2), np.float32) if faces.points is None else faces.points
    crops = [sample_turned(frame, affine, (SIDE, SIDE), "gray8", (0,)) for affine in faces.affine]
    gray = np.array(crops, np.float32).reshape(n, SIDE, SIDE)[:, FACE, FACE]
    turned = pose(points).astype(np.float32)
    measured = {
        "size": extent(points),
        "sharpness": sharpness(gray),
        "brightness": gray.mean(axis=(1, 2)) / np.float32(255),
        "contrast": gray.std(axis=(1, 2)) / np.float32(255),
        "yaw": turned[:, 0].copy(),
        "pitch": turned[:, 1].copy(),
        "roll": turned[:, 2].copy(),
    }
    return FaceQuality(
        **measured,
        reason=_reasons(measured, gates),
        source_row=np.arange(n, dtype=np.int32),
        labels=REASONS,
    )


def extent(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n,) float32``: pixels between the eyes, or from between them to the middle of the mouth, whichever is more."""
    eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    down = np.linalg.norm(points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1), axis=1)
    longer: NDArray[np.float32] = np.maximum(eyes, down).astype(np.float32)
    return longer


def sharpness(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n,) float32``: the variance of the Laplacian (4 neighbours) of ``gray (n, h, w) float32``, 0..255.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy: a comparative study" (ICPR).
    """
    around = gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:]
    laplacian = around - 4 * gray[:, 1:-1, 1:-1]
    variance: NDArray[np.float32] = laplacian.var(axis=(1, 2)).astype(np.float32)
    return variance


def _reasons(measured: dict[str, NDArray[np.float32]], gates: Gates) -> NDArray[np.int32]:
    wrong = np.stack(
        [
            np.zeros(len(measured["size"]), bool),
            measured["size"] < gates.min_size,
            np.abs(measured["yaw"]) > gates.max_yaw,
            np.abs(measured["pitch"]) > gates.max_pitch,
            np.abs(measured["roll"]) > gates.max_roll,
            measured["sharpness"] < gates.min_sharpness,
            measured["brightness"] < gates.min_brightness,
            measured["brightness"] > gates.max_brightness,
            measured["contrast"] < gates.min_contrast,
        ]
    )
    first: NDArray[np.int32] = wrong.argmax(axis=0).astype(np.int32)  # 0 where nothing is wrong
    return first
