"""How well objects were followed: CLEAR MOT (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016).

Boxes are the same where they overlap by at least ``minimum_iou``. Numbers are those of py-motmetrics: a pair goes on as
long as it overlaps, also where another would overlap more, and a switch is counted against the latest pair, however
long ago.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_tracking.assignment import assign
from vedette_tracking.boxes import box_iou_batch


@dataclass(frozen=True, slots=True, eq=False)
class TrackedBoxes:
    """The objects of one frame: ``track_id (n,) int64``, ``xyxy (n, 4) float64``."""

    track_id: NDArray[np.int64]
    xyxy: NDArray[np.float64]

    @classmethod
    def none(cls) -> TrackedBoxes:
        """A frame without objects."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 4)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingScore:
    """Counts over all frames.

    ``true`` and ``found`` are the boxes of the truth and of the tracker, ``matches`` their pairs frame by frame,
    ``switches`` how often an object got another identity, ``identity_matches`` the pairs that remain where each object
    may have one identity only, the best one for all frames together.
    """

    true: int
    found: int
    matches: int
    switches: int
    identity_matches: int

    @property
    def misses(self) -> int:
        return self.true - self.matches

    @property
    def false_positives(self) -> int:
        return self.found - self.matches

    @property
    def mota(self) -> float:
        """1 - (misses + false positives + switches) / true boxes: at most 1, and below 0 for what is worse than
        nothing."""
        return 1 - (self.misses + self.false_positives + self.switches) / self.true

    @property
    def idf1(self) -> float:
        """0..1."""
        return 2 * self.identity_matches / (self.true + self.found)


def score_tracks(
    truth: Mapping[int, TrackedBoxes], found: Mapping[int, TrackedBoxes], minimum_iou: float = 0.5
) -> TrackingScore:
    """Compare, by number of frame.

    Raises
    ------
    ValueError
        The truth has no box.
    """
    frames = sorted(truth.keys() | found.keys())
    both = [
        (truth.get(frame, TrackedBoxes.none()), found.get(frame, TrackedBoxes.none())) for frame in frames
    ]
    true = sum(len(one.track_id) for one, _ in both)
    if not true:
        raise ValueError("the truth has no box: there is nothing to compare with")
    partner: dict[int, int] = {}
    together: Counter[tuple[int, int]] = Counter()
    matches = switches = 0
    for one, other in both:
        overlap = box_iou_batch(one.xyxy, other.xyxy)
        same = overlap >= minimum_iou
        together.update(_pairs(one, other, *np.nonzero(same)))
        for identity, follower in _pairs(one, other, *_match(one, other, overlap, same, partner)):
            switches += partner.get(identity, follower) != follower
            partner[identity] = follower
            matches += 1
    return TrackingScore(
        true=true,
        found=sum(len(other.track_id) for _, other in both),
        matches=matches,
        switches=switches,
        identity_matches=_identity_matches(together),
    )


def _pairs(
    one: TrackedBoxes, other: TrackedBoxes, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Iterable[tuple[int, int]]:
    return zip(one.track_id[rows].tolist(), other.track_id[columns].tolist(), strict=True)


def _match(
    one: TrackedBoxes,
    other: TrackedBoxes,
    overlap: NDArray[np.float64],
    same: NDArray[np.bool_],
    partner: Mapping[int, int],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of one frame: those of before that still hold, then as many others as there can be, with most overlap."""
    before = np.array([partner.get(identity, -1) for identity in one.track_id.tolist()], np.int64)
    held = same & (before[:, None] == other.track_id)
    held &= held.cumsum(axis=0) == 1  # two objects may have had the same partner one after the other
    free = same & ~held.any(axis=1, keepdims=True) & ~held.any(axis=0)
    rows, columns = np.nonzero(held)
    more_rows, more_columns = assign(0.5 + overlap / (2 + 2 * same.size), free)
    return np.concatenate([rows, more_rows]), np.concatenate([columns, more_columns])


def _identity_matches(together: Mapping[tuple[int, int], int]) -> int:
    """Frames in which each object and the one identity that it is given overlap, at most."""
    if not together:
        return 0
    rows = {identity: row for row, identity in enumerate(sorted({pair[0] for pair in together}))}
    columns = {follower: column for column, follower in enumerate(sorted({pair[1] for pair in together}))}
    frames = np.zeros((len(rows), len(columns)))
    for (identity, follower), count in together.items():
        frames[rows[identity], columns[follower]] = count
    chosen = assign(frames / frames.max(), frames > 0)
    return int(frames[chosen].sum())


def read_mot(text: str, minimum_confidence: float | None = None) -> dict[int, TrackedBoxes]:
    """Tracks in the format of MOTChallenge: lines ``frame, id, left, top, width, height, confidence, ...``, by frame.

    ``minimum_confidence``: leave out rows whose seventh number is not above this (in its truths 0 means "to be
    ignored").
    """
    table = np.array(
        [[float(cell) for cell in line.split(",")[:7]] for line in text.splitlines() if line.strip()]
    )
    if minimum_confidence is not None:
        table = table[table[:, 6] > minimum_confidence]
    table[:, 4:6] += table[:, 2:4]
    return {
        int(frame): TrackedBoxes(rows[:, 1].astype(np.int64), rows[:, 2:6].copy())
        for frame in np.unique(table[:, 0])
        for rows in [table[table[:, 0] == frame]]
    }
