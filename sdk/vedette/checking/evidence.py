"""How much a model finds in a picture, and whether another way to feed it finds clearly more.

A confident answer is no sign of a right one: a network that is fed values of another range often saturates and finds
dozens of things at confidence 1. But what is really there is found in the mirrored picture, too. So a finding counts
if the mirrored picture confirms it, and for as much as the findings of this picture are confirmed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification, ClipPrediction, Detections, Keypoints, Result
from vedette.vision.nms import iou_matrix

OVERLAP = 0.5
"""Boxes that overlap by so much (intersection over union) are of one thing."""
POINT = 0.1
"""A keypoint counts as a square with this part of the extent of all points as its side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What a model sees in a picture. ``xyxy (n, 4) float64`` in pixels; ``weight (n,) float64``: its confidence, 0..1;
    ``class_id (n,) int64``."""

    xyxy: NDArray[np.float64]
    weight: NDArray[np.float64]
    class_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weight)


def findings(result: Result, size_wh: tuple[int, int]) -> Findings | None:
    """The things that a result names with a confidence; ``None`` where its type has none (embeddings, anomaly maps).

    Of a classification it is every class that is reported, each in the whole picture. Keypoints are things of one
    class: a mirrored left hand is a right one.
    """
    match result:
        case Detections():
            return _findings(result.xyxy, result.confidence, result.class_id)
        case Classification() | ClipPrediction():
            whole = np.tile([0.0, 0.0, *size_wh], (result.class_id.size, 1))
            return _findings(whole, result.confidence.ravel(), result.class_id.ravel())
        case Keypoints():
            points = result.points.reshape(-1, 2)
            half = POINT / 2 * float(np.ptp(points, axis=0).max()) if len(points) else 0.0
            return _findings(
                np.concatenate([points - half, points + half], axis=1),
                result.confidence.ravel(),
                np.zeros(len(points)),
            )
        case _:
            return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Things:
    """Places where something is. ``xyxy (n, 4) float64`` in pixels; ``weight (n,) float64`` 0..1."""

    xyxy: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weight)


def confirmed(upright: Findings, mirrored: Findings, width: int) -> Things:
    """What the mirrored picture confirms: each finding with a partner of its class where it should lie.

    The weight is the smaller of the two confidences, times the part that is confirmed of all confidence in either
    picture. Classes at exactly one place, as those of a classification, are one thing, with the sum of their weights.

    Parameters
    ----------
    width
        Of the picture in pixels.
    """
    flipped = mirrored.xyxy * (-1, 1, -1, 1) + (width, 0, width, 0)
    flipped = flipped[:, [2, 1, 0, 3]]
    overlap = iou_matrix(upright.xyxy, flipped)
    overlap[upright.class_id[:, None] != mirrored.class_id] = 0
    here, there = _pairs(overlap, upright.weight)
    weight = np.minimum(upright.weight[here], mirrored.weight[there])
    whole = max(upright.weight.sum(), mirrored.weight.sum())
    share = weight.sum() / whole if whole else 0.0
    places, thing = np.unique(upright.xyxy[here], axis=0, return_inverse=True)
    summed = np.bincount(thing.ravel(), weight * share, len(places)).astype(np.float64)
    return Things(xyxy=places, weight=summed)


def gains(given: Things, other: Things) -> NDArray[np.float64]:
    """By how much more weight each thing has in ``other``, of those that are in either."""
    here, there = _pairs(iou_matrix(given.xyxy, other.xyxy), given.weight)
    return np.concatenate(
        [
            other.weight[there] - given.weight[here],
            -np.delete(given.weight, here),
            np.delete(other.weight, there),
        ]
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What is confirmed in several pictures, picture by picture."""

    pictures: Sequence[Things]

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return float(sum(found.weight.sum() for found in self.pictures))

    def __len__(self) -> int:
        return sum(map(len, self.pictures))


def sureness(given: Evidence, other: Evidence) -> float:
    """The sum of the gains in standard deviations of what it would be if their signs were chance."""
    gained = np.concatenate([gains(*pair) for pair in zip(given.pictures, other.pictures, strict=True)])
    spread = float(np.sqrt((gained**2).sum()))
    return float(gained.sum()) / spread if spread else 0.0


def _findings(xyxy: NDArray[Any], weight: NDArray[Any], class_id: NDArray[Any]) -> Findings:
    return Findings(
        xyxy=np.asarray(xyxy, np.float64).reshape(-1, 4),
        weight=np.asarray(weight, np.float64),
        class_id=np.asarray(class_id, np.int64),
    )


def _pairs(overlap: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Rows and columns of what belongs together: the surest row first takes the best column that is left."""
    rows: list[int] = []
    columns: list[int] = []
    left = overlap.copy()
    for row in np.argsort(-weight, kind="stable").tolist():
        if left.shape[1] and left[row].max() >= OVERLAP:
            column = int(left[row].argmax())
            left[:, column] = 0
            rows.append(row)
            columns.append(column)
    return rows, columns
