"""Multi-object tracking as a pure function: the tracks before, what was found, the tracks after.

This is BYTE (Zhang et al., ByteTrack, ECCV 2022): boxes of high confidence are given to tracks first, those of low
confidence then go to the tracks that still lack one and were seen a moment ago, as an object that is being hidden is
found with less and less confidence. Two things differ, so that any frame rate will do: motion is predicted over the
time that has passed, and a lost track is kept for a time, not for a number of frames. Where appearance is known it
counts as in BoT-SORT (Aharon et al. 2022): the better of overlap and likeness, of what can be where the track is
expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette_tracking import kalman
from vedette_tracking.assignment import Pairs, assign
from vedette_tracking.boxes import box_iou_batch, cxcywh_to_xyxy, xyxy_to_cxcywh

Table = NDArray[np.void]
"""One row per track, see :func:`track_dtype`."""
Rows = NDArray[np.intp]

NEAR = 9.21
"""Squared Mahalanobis distance within which 99 of 100 boxes of a track lie."""
LIKENESS_KEPT = 0.9
"""How much of what a track looked like stays with each new sight of it."""


def track_dtype(dimensions: int = 0) -> np.dtype[np.void]:
    """What is known of a track.

    ``number`` counts tracks from 1, in the order in which they began; ``confirmed``: seen often enough to be told;
    ``sights`` how often it was seen; ``born_ns`` and ``seen_ns`` the first and the latest time; ``motion`` as in
    :mod:`vedette_tracking.kalman`; ``appearance``: of unit length, ``dimensions`` long, or 0 where it is not known.
    """
    return np.dtype(
        [
            ("number", np.int64),
            ("class_id", np.int32),
            ("confirmed", np.bool_),
            ("sights", np.int32),
            ("born_ns", np.int64),
            ("seen_ns", np.int64),
            ("motion", np.float64, (5, 4)),
            ("appearance", np.float32, (dimensions,)),
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Of :func:`step`; confidences and overlaps are 0..1, as in ``vedette_tracking.stages.tracker.Params``."""

    high_confidence: float
    low_confidence: float
    activation_confidence: float
    minimum_iou: float
    minimum_iou_low: float
    minimum_sights: int
    lost_ns: int
    by_class: bool
    minimum_likeness: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The tracks of a stream at ``time_ns``, those that are lost for now included. ``begun`` have there been so far."""

    table: Table
    time_ns: int | None = None
    begun: int = 0

    @classmethod
    def none(cls, dimensions: int = 0) -> Tracks:
        """Before the first frame."""
        return cls(np.zeros(0, track_dtype(dimensions)))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a detector says of a frame: ``xyxy (n, 4) float64``, ``confidence (n,)``, ``class_id (n,)`` and
    ``appearance (n, d) float32`` of unit length, ``d`` 0 where it is not known."""

    xyxy: NDArray[np.float64]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    appearance: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What became of a frame.

    ``number (n,) int64``: the track of each box that was found, 0 where it has none that is confirmed;
    ``appeared``, ``lost``: the tracks that were confirmed with this frame, and those that are given up with it (only
    confirmed ones are told).
    """

    tracks: Tracks
    number: NDArray[np.int64]
    appeared: Table
    lost: Table


def step(tracks: Tracks, found: Found, rules: Rules, time_ns: int) -> Step:
    """One frame later. Where time goes back, all tracks are lost."""
    passed_ns = 0 if tracks.time_ns is None else time_ns - tracks.time_ns
    table = tracks.table
    alive = time_ns - table["seen_ns"] <= rules.lost_ns
    if passed_ns < 0:
        alive[:] = False
    lost, table = table[~alive & table["confirmed"]], table[alive]  # a copy: those before are not changed
    table["motion"] = kalman.predict(table["motion"], passed_ns / 1e9)

    rows, columns = _associate(table, found, rules, tracks.time_ns)
    _see(table, rows, found, columns, time_ns)
    known = table["confirmed"].copy()
    table["confirmed"] |= table["sights"] >= rules.minimum_sights
    appeared = table[table["confirmed"] & ~known]

    number = np.zeros(len(found.xyxy), np.int64)
    number[columns] = table["number"][rows] * table["confirmed"][rows]
    unseen = np.ones(len(table), bool)
    unseen[rows] = False
    table["motion"][unseen, kalman.VELOCITY, 2:] = 0.0  # it does not grow or shrink while nobody looks
    table = table[table["confirmed"] | ~unseen]

    taken = np.zeros(len(found.xyxy), bool)
    taken[columns] = True
    fresh = np.flatnonzero(~taken & (found.confidence >= rules.activation_confidence))
    new = _begin(found, fresh, tracks.begun + 1, time_ns, table.dtype)
    if rules.minimum_sights <= 1:
        new["confirmed"] = True
        number[fresh] = new["number"]
        appeared = np.concatenate([appeared, new])
    table = np.concatenate([table, new]) if len(new) else table
    return Step(Tracks(table, time_ns, tracks.begun + len(new)), number, appeared, lost)


def _associate(table: Table, found: Found, rules: Rules, before_ns: int | None) -> Pairs:
    """Rows of ``table`` and the boxes that belong to them."""
    similarity, allowed, overlap = _compare(table, found, rules)
    high = found.confidence >= rules.high_confidence
    low = ~high & (found.confidence >= rules.low_confidence)
    confirmed = table["confirmed"]
    first = assign(similarity, allowed & confirmed[:, None] & high)

    free_rows, free_columns = _left(first, len(table), high)
    recent = free_rows & confirmed & (table["seen_ns"] == before_ns)
    second = assign(overlap, (overlap >= rules.minimum_iou_low) & allowed & recent[:, None] & low)
    third = assign(similarity, allowed & (free_rows & ~confirmed)[:, None] & free_columns)
    return (
        np.concatenate([first[0], second[0], third[0]]),
        np.concatenate([first[1], second[1], third[1]]),
    )


def _left(pairs: Pairs, rows: int, columns: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows, and of ``columns`` those, that are in no pair."""
    free_rows, free_columns = np.ones(rows, bool), columns.copy()
    free_rows[pairs[0]] = False
    free_columns[pairs[1]] = False
    return free_rows, free_columns


def _compare(
    table: Table, found: Found, rules: Rules
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Of each track and box: similarity 0..1, whether they may belong together, and overlap."""
    motion = table["motion"]
    overlap = box_iou_batch(cxcywh_to_xyxy(motion[:, kalman.VALUE]), found.xyxy)
    allowed = overlap >= rules.minimum_iou
    similarity = overlap * found.confidence
    if found.appearance.shape[1]:
        likeness = table["appearance"] @ found.appearance.T
        near = kalman.distance(motion, xyxy_to_cxcywh(found.xyxy)) <= NEAR
        alike = near & (likeness >= rules.minimum_likeness)
        similarity = np.where(alike, np.maximum(similarity, likeness), similarity)
        allowed |= alike
    if rules.by_class:
        allowed &= table["class_id"][:, None] == found.class_id
    return np.minimum(similarity, 1.0), allowed, overlap


def _see(table: Table, rows: Rows, found: Found, columns: Rows, time_ns: int) -> None:
    """``rows`` of ``table`` were seen as the boxes ``columns``."""
    table["motion"][rows] = kalman.correct(table["motion"][rows], xyxy_to_cxcywh(found.xyxy[columns]))
    table["sights"][rows] += 1
    table["seen_ns"][rows] = time_ns
    table["class_id"][rows] = found.class_id[columns]
    if found.appearance.shape[1]:
        mixed = LIKENESS_KEPT * table["appearance"][rows] + (1 - LIKENESS_KEPT) * found.appearance[columns]
        table["appearance"][rows] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)


def _begin(found: Found, rows: Rows, first: int, time_ns: int, dtype: np.dtype[np.void]) -> Table:
    """New tracks of the boxes ``rows``, numbered from ``first`` on."""
    new = np.zeros(len(rows), dtype)
    new["number"] = np.arange(first, first + len(rows))
    new["class_id"] = found.class_id[rows]
    new["sights"] = 1
    new["born_ns"] = new["seen_ns"] = time_ns
    new["motion"] = kalman.begin(xyxy_to_cxcywh(found.xyxy[rows]))
    new["appearance"] = found.appearance[rows]
    return new
