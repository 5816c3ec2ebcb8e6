"""Exact search of one face among many people: one float32 matrix product, then the best people of each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

_ROWS = 64
"""Faces that are compared at a time: the scores of so many stay small beside the templates."""
LEAST = np.float32(-1)
"""The least cosine: the score of nobody."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """Who each face is. One row per face.

    Attributes
    ----------
    name
        The person, or ``None``: unknown.
    score
        ``(n,) float32``: cosine with the nearest template, -1..1; -1 if nobody is enrolled.
    margin
        ``(n,) float32``: by how much the nearest person is nearer than the second; than -1 if there is no second.
    known
        ``(n,) bool``: the score is above the threshold, and the margin is large enough.
    nearest
        The nearest person, whether known or not; ``None`` if nobody is enrolled. For those who calibrate; not an
        answer.
    """

    name: tuple[str | None, ...]
    score: NDArray[np.float32]
    margin: NDArray[np.float32]
    known: NDArray[np.bool_]
    nearest: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class People:
    """Templates by person. ``templates (m, d) float32``, unit vectors, those of a person side by side; ``owner
    (m,)``: row in ``names``; ``start (p + 1,)``: where each person's begin."""

    names: tuple[str, ...]
    templates: NDArray[np.float32]
    owner: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, templates: Mapping[str, NDArray[np.float32]], dimension: int = 0) -> Self:
        """From the templates of each person; ``dimension``: theirs, needed if there is nobody."""
        names = tuple(sorted(templates))
        counts = np.array([len(templates[name]) for name in names], np.int64)
        rows = [np.empty((0, dimension), np.float32)] if not names else [templates[name] for name in names]
        return cls(
            names=names,
            templates=np.ascontiguousarray(np.concatenate(rows), np.float32),
            owner=np.repeat(np.arange(len(names)), counts),
            start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.names)

    def top(self, faces: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ``k`` nearest people of each face, nearest first: rows in ``names`` and scores, each ``(n, k)``. There
        are as many columns as people if these are fewer.

        Each pass takes the greatest score of a row and then hides that person's templates: reading a row again is
        cheaper than reducing it to people first.
        """
        k = min(k, len(self))
        who = np.empty((len(faces), k), np.int64)
        score = np.empty((len(faces), k), np.float32)
        for first in range(0, len(faces), _ROWS):
            block = faces[first : first + _ROWS] @ self.templates.T
            for row, scores in enumerate(block, first):
                for rank in range(k):
                    at = scores.argmax()
                    person = self.owner[at]
                    who[row, rank], score[row, rank] = person, scores[at]
                    scores[self.start[person] : self.start[person + 1]] = -np.inf
        return who, score

    def search(self, faces: NDArray[np.float32], threshold: float, margin: float = 0.0) -> Matches:
        """Who each face is: the nearest person, if nearer than ``threshold`` and ``margin`` nearer than the second.

        ``faces``: ``(n, d)``, unit vectors.
        """
        n = len(faces)
        who, scores = self.top(faces, 2)
        padded = np.full((n, 2), LEAST, np.float32)
        padded[:, : scores.shape[1]] = scores
        gap = padded[:, 0] - padded[:, 1]
        known = (padded[:, 0] > np.float32(threshold)) & (gap >= np.float32(margin)) & bool(len(self))
        nearest = tuple(self.names[row] for row in who[:, 0]) if len(self) else (None,) * n
        return Matches(
            name=tuple(name if sure else None for name, sure in zip(nearest, known, strict=True)),
            score=padded[:, 0],
            margin=gap,
            known=known,
            nearest=nearest,
        )

    def person_scores(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, p)``: each face with the nearest template of each person."""
        scores = faces @ self.templates.T
        if not len(self):
            return scores
        reduced: NDArray[np.float32] = np.maximum.reduceat(scores, self.start[:-1], axis=1)
        return reduced
