"""Which answer is to be explained, and how much of it is left when the picture is changed."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import ResultError
from vedette.explain.saliency import Box, Target
from vedette.results import Classification, Detections, Result
from vedette.vision.nms import iou_matrix

LOW = 0.05
"""Boxes of an altered picture are asked for from this confidence up: fading has to be seen, not only vanishing."""
_ALL = 1 << 30


def choose(result: Result, class_id: int | None = None, row: int | None = None) -> Target:
    """What of ``result`` is explained: ``row``, by default the most confident, and there ``class_id``, by default the
    best.

    Raises
    ------
    ResultError
        The result has no such row or class, or is neither a classification nor detections.
    """
    if isinstance(result, Classification):
        return _of_classification(result, class_id, 0 if row is None else row)
    if isinstance(result, Detections):
        return _of_detections(result, class_id, row)
    raise ResultError(
        f"an answer of type {result.type!r} cannot be explained",
        fix="maps are made for classifications and detections",
    )


def scores(result: Result, rows: int, target: Target) -> NDArray[np.float64]:
    """How much of ``target`` is left in each of ``rows`` batch rows, 0..1: the confidence in its class; of a detection
    the largest product of confidence and overlap (intersection over union) with its box, as D-RISE has it (Petsiuk et
    al. 2021, "Black-box explanation of object detectors via saliency maps")."""
    left = np.zeros(rows)
    if isinstance(result, Classification):
        found, place = np.nonzero(result.class_id == target.class_id)
        np.maximum.at(left, result.source_row[found], result.confidence[found, place].astype(np.float64))
    elif isinstance(result, Detections):
        same = result.class_id == target.class_id
        overlap = iou_matrix(result.xyxy[same], np.array([target.xyxy], np.float64))[:, 0]
        np.maximum.at(left, result.source_row[same], overlap * result.confidence[same])
    return left


def widened(params: Any, result: type[Result]) -> Any:
    """A decoder's parameters such that it also reports what is no longer likely: every class (``top_k``), and boxes
    from :data:`LOW` up (``confidence_threshold``), where it has parameters of these names."""
    fields = params.__struct_fields__
    if issubclass(result, Classification) and "top_k" in fields:
        return msgspec.structs.replace(params, top_k=_ALL)
    if issubclass(result, Detections) and "confidence_threshold" in fields:
        return msgspec.structs.replace(params, confidence_threshold=min(LOW, params.confidence_threshold))
    return params


def _of_classification(result: Classification, class_id: int | None, row: int) -> Target:
    if row >= len(result) or not result.class_id.shape[1]:
        raise ResultError(f"the classification has {len(result)} rows, so row {row} cannot be explained")
    wanted = int(result.class_id[row, 0]) if class_id is None else class_id
    place = np.flatnonzero(result.class_id[row] == wanted)
    confidence = float(result.confidence[row, place[0]]) if len(place) else 0.0
    return Target(class_id=wanted, label=_label(result, wanted), confidence=confidence)


def _of_detections(result: Detections, class_id: int | None, row: int | None) -> Target:
    rows = np.arange(len(result)) if row is None else np.array([row])
    if row is not None and row >= len(result):
        raise ResultError(f"there are {len(result)} detections, so row {row} cannot be explained")
    if class_id is not None:
        rows = rows[result.class_id[rows] == class_id]
    if not len(rows):
        what = "nothing" if class_id is None else f"no {_label(result, class_id)}"
        raise ResultError(f"{what} was detected, so there is no answer to explain")
    best = int(rows[result.confidence[rows].argmax()])
    x0, y0, x1, y1 = (float(value) for value in result.xyxy[best])
    box: Box = (x0, y0, x1, y1)
    number = int(result.class_id[best])
    return Target(
        class_id=number, label=_label(result, number), confidence=float(result.confidence[best]), xyxy=box
    )


def _label(result: Result, class_id: int) -> str:
    return result.labels[class_id] if 0 <= class_id < len(result.labels) else f"class {class_id}"


def class_named(labels: tuple[str, ...], name: str) -> int:
    """The number of a class, which is given by its name or its number.

    Raises
    ------
    ResultError
        There is no such class; the message names some.
    """
    if name in labels:
        return labels.index(name)
    if name.isdecimal() and (not labels or int(name) < len(labels)):
        return int(name)
    known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
    raise ResultError(f"there is no class {name!r}", fix=f"classes are: {known or 'numbers, without names'}")
