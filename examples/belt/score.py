"""How what was found on the boards compares with what was drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belt.boards import Board
from belt.defects import KINDS
from vedette.results import Detections

OVERLAP = 0.5
"""Intersection over union from which a box is on a defect."""


@dataclass
class Score:
    """Defects by kind: ``drawn``, and of these ``found``, kind and place. ``wrong``: boxes on no defect of their kind,
    of ``boxes`` in all."""

    drawn: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    wrong: int = 0

    def add(self, board: Board, result: Detections) -> None:
        """Judge what was found on a board."""
        right = np.zeros(len(result), bool)
        for defect in board.defects:
            on = _overlap(result.xyxy, defect.xyxy) >= OVERLAP
            hits = on & (result.class_id == KINDS.index(defect.kind))
            self.drawn[defect.kind] += 1
            self.found[defect.kind] += int(hits.any())
            right |= hits
        self.boxes += len(result)
        self.wrong += int((~right).sum())

    @property
    def recall(self) -> float:
        """Of the drawn defects that were found."""
        return self.found.total() / max(self.drawn.total(), 1)

    @property
    def precision(self) -> float:
        """Of the boxes that are on a defect of their kind."""
        return 1 - self.wrong / max(self.boxes, 1)

    def rows(self) -> Iterator[tuple[str, int, int]]:
        """Kind, drawn, found."""
        yield from ((kind, self.drawn[kind], self.found[kind]) for kind in KINDS)


def _overlap(boxes: NDArray[np.float32], box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Intersection over union of ``(n, 4)`` boxes with one."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    overlap: NDArray[np.float64] = shared / (areas + (box[2] - box[0]) * (box[3] - box[1]) - shared).clip(
        1e-9
    )
    return overlap
