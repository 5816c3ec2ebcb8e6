"""Average precision of a detector, as COCO defines it (Lin et al. 2014, "Microsoft COCO: Common Objects in Context";
reference code: pycocotools ``COCOeval``), on plain arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RECALLS = np.linspace(0, 1, 101)
"""Recall levels at which the precision is read."""


class Boxes(NamedTuple):
    """What is in one picture, or what a detector says is: ``xyxy (n, 4)``, ``class_id (n,)``, ``confidence (n,)`` (not
    used of the truth)."""

    xyxy: np.ndarray
    class_id: np.ndarray
    confidence: np.ndarray


def mean_average_precision(
    found: Sequence[Boxes], truth: Sequence[Boxes], iou_threshold: float = 0.5
) -> float:
    """Mean over the classes that occur in the truth of :func:`average_precision`. One entry per picture in both."""
    classes = np.unique(np.concatenate([boxes.class_id for boxes in truth]))
    return float(np.mean([_of_class(found, truth, class_id, iou_threshold) for class_id in classes]))


def average_precision(confidence: np.ndarray, correct: np.ndarray, n_truth: int) -> float:
    """Mean over :data:`RECALLS` of the best precision at that recall or a higher one.

    ``confidence (n,)`` and ``correct (n,) bool`` are one class's detections in all pictures; ``n_truth`` > 0 is the
    number of boxes that there are to find.
    """
    correct = correct[np.argsort(-confidence, kind="stable")]
    hits = np.cumsum(correct)
    recall = hits / n_truth
    precision = hits / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(best_from_here, 0.0)[reached].mean())


def match(xyxy: np.ndarray, confidence: np.ndarray, truth: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Which detections of one class in one picture are correct, ``(n,) bool``: from the most confident on, each takes
    the box of ``truth (m, 4)`` that it overlaps best of those not yet taken, if the IoU reaches the threshold."""
    correct = np.zeros(len(xyxy), bool)
    overlap = iou(xyxy, truth)
    for row in np.argsort(-confidence, kind="stable"):
        if not len(truth):
            break
        best = overlap[row].argmax()
        if overlap[row, best] >= iou_threshold:
            correct[row] = True
            overlap[:, best] = -1
    return correct


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair of boxes: ``(n, 4)`` and ``(m, 4)`` to ``(n, m)``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b))
    return shared / (area_a[:, None] + area_b[None, :] - shared)


def _of_class(found: Sequence[Boxes], truth: Sequence[Boxes], class_id: int, iou_threshold: float) -> float:
    confidence, correct, n_truth = [], [], 0
    for said, real in zip(found, truth, strict=True):
        mine = said.class_id == class_id
        theirs = real.xyxy[real.class_id == class_id]
        confidence.append(said.confidence[mine])
        correct.append(match(said.xyxy[mine], said.confidence[mine], theirs, iou_threshold))
        n_truth += len(theirs)
    return average_precision(np.concatenate(confidence), np.concatenate(correct), n_truth)
