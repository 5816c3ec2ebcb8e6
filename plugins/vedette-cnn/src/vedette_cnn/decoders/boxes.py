"""What the detectors share: their parameters, non-maximum suppression, and the way from the tensor to the frame."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Self, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Detections
from vedette.vision.geometry import boxes_to_frame, points_to_frame
from vedette.vision.nms import nms
from vedette.vision.spec import Side
from vedette_cnn.decoders.raw import Raw

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
CERTAIN = 1.01
"""Confidences above 1 by no more than a quantisation step are taken as 1."""


class DetectorParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of every detector.

    Attributes
    ----------
    input_wh
        Width and height of the input tensor: the ``size_wh`` of its InputSpec. It cannot be told from the outputs:
        512 x 800 and 640 x 640 give the same number of anchors.
    confidence_threshold
        Boxes below it are left out.
    max_detections
        The most boxes of one batch row; the most confident are kept.
    """

    input_wh: tuple[Side, Side]
    confidence_threshold: Fraction
    max_detections: Annotated[int, msgspec.Meta(ge=1)] = 300


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Decoded boxes in pixels of the input tensor. ``row (m,) intp``: the batch row; ``xyxy (m, 4) float32``;
    ``confidence (m,) float32``; ``class_id (m,) intp``; ``points (m, k, 2) float32`` and ``point_confidence (m, k)
    float32``, each or None."""

    row: NDArray[np.intp]
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.intp]
    points: NDArray[np.float32] | None = None
    point_confidence: NDArray[np.float32] | None = None

    def take(self, kept: NDArray[Any]) -> Self:
        """Only the rows ``kept`` (a mask or indices)."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: value[kept] for name, value in columns.items() if value is not None})


Some = TypeVar("Some", bound=Candidates)


def check(raw: Raw, found: Candidates) -> None:
    """Refuse what no detector means to say; suppression would not notice.

    Raises
    ------
    ResultError
        A confidence is above 1, or a box or point is not finite.
    """
    highest = found.confidence.max(initial=0.0)
    if highest > CERTAIN:
        raise raw.error(
            f"a confidence is {highest:.4g}, so the outputs are not probabilities",
            "use the decoder of this network's output format, or export it with its activations",
        )
    for what, values in (("box", found.xyxy), ("point", found.points)):
        if values is not None and not np.isfinite(values).all():
            raise raw.error(
                f"a {what} above the threshold is not finite",
                "run it at precision f32 and on another backend: if that does not help, the model file is broken",
            )


def suppress(found: Some, iou_threshold: float, *, class_agnostic: bool = False) -> Some:
    """Greedy non-maximum suppression, each batch row by itself; by default also each class by itself."""
    group = found.row
    if not class_agnostic:
        group = group * (found.class_id.max(initial=0) + 1) + found.class_id
    return found.take(nms(found.xyxy, found.confidence, iou_threshold, group))


def place(
    found: Candidates, affines: NDArray[np.float64], size_wh: tuple[int, int], max_detections: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which candidates to report, and their boxes in the frame: boxes that lie outside of it are left out; of each
    batch row the ``max_detections`` most confident are kept, sorted by row, then by falling confidence."""
    xyxy = boxes_to_frame(found.xyxy, found.row, affines, size_wh)
    kept = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))
    kept = kept[np.lexsort((-found.confidence[kept], found.row[kept]))]
    kept = kept[_rank(found.row[kept]) < max_detections]
    return kept, xyxy[kept]


def to_detections(
    found: Candidates,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    max_detections: int,
    labels: tuple[str, ...],
) -> Detections:
    """Map boxes and points to the frame; what is reported, and in which order, is said by :func:`place`."""
    kept, xyxy = place(found, affines, size_wh, max_detections)
    return placed(found.take(kept), xyxy, affines, labels)


def placed(
    found: Candidates,
    xyxy: NDArray[np.float32],
    affines: NDArray[np.float64],
    labels: tuple[str, ...],
    masks: NDArray[np.uint8] | None = None,
) -> Detections:
    """The result, from candidates, their boxes in the frame and, where there are any, their masks."""
    return Detections(
        xyxy=xyxy,
        confidence=np.minimum(found.confidence, np.float32(1)),
        class_id=found.class_id.astype(np.int32),
        points=None if found.points is None else points_to_frame(found.points, found.row, affines),
        point_confidence=found.point_confidence,
        masks=masks,
        source_row=found.row.astype(np.int32),
        labels=labels,
    )


def _rank(row: NDArray[np.intp]) -> NDArray[np.intp]:
    """Position of each entry within its run of equal values; ``row`` is sorted."""
    return np.arange(len(row)) - np.searchsorted(row, row, side="left")
