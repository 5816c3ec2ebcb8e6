"""Boxes as labels state them, held against the picture that they are said to be in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.found import FoundBoxes
from vedette_torch.data.samples import BoxesSample, Problem

ROUNDING_PX = 1.0
"""A box that reaches over its picture by no more is clipped without a word: labels are rounded."""


def fit_boxes(
    found: FoundBoxes, size_wh: tuple[int, int], labels: tuple[str, ...]
) -> tuple[BoxesSample | None, list[Problem]]:
    """The sample, and what is wrong with it.

    ========================  =========================================================  ==================
    ``size_mismatch``         the labels state another size of the picture               left out
    ``class_beyond_names``    a class has no name                                        left out
    ``bad_label``             a box is not of finite numbers                             left out
    ``box_outside``           a box reaches over its picture, or lies outside            clipped, or dropped
    ``empty_box``             a box has no area                                          dropped
    ========================  =========================================================  ==================
    """
    if problem := _unusable(found, size_wh, labels):
        return None, [problem]
    xyxy = found.xyxy * np.tile(size_wh, 2) if found.relative else found.xyxy
    empty = _without_area(xyxy)
    clipped = np.clip(xyxy, 0, np.tile(size_wh, 2))
    gone = _without_area(clipped)
    over = np.abs(clipped - xyxy).max(axis=1, initial=0) > ROUNDING_PX
    problems = list(_of_boxes(found, xyxy, empty, over, gone, size_wh))
    keep = ~gone & ~empty
    return BoxesSample(
        path=found.path,
        xyxy=clipped[keep].astype(np.float32),
        class_id=found.class_id[keep].astype(np.int32),
        template=found.template,
        group=found.group,
        ignore=None if found.ignore is None else found.ignore[keep],
        crowd=None if found.crowd is None else found.crowd[keep],
    ), problems


def _unusable(found: FoundBoxes, size_wh: tuple[int, int], labels: tuple[str, ...]) -> Problem | None:
    if found.stated_wh is not None and found.stated_wh != size_wh:
        stated = "x".join(map(str, found.stated_wh))
        turned = ", turned upright by its EXIF data" if found.stated_wh == size_wh[::-1] else ""
        message = f"the labels are of a picture of {stated}, {found.path.name} has {size_wh[0]}x{size_wh[1]}{turned}"
        return _problem(found, "size_mismatch", message)
    for row in np.flatnonzero(~np.isfinite(found.xyxy).all(axis=1)).tolist():
        return _problem(found, "bad_label", f"{found.where[row]}: the box is not of finite numbers")
    for row in np.flatnonzero((found.class_id < 0) | (found.class_id >= len(labels))).tolist():
        message = f"{found.where[row]}: class {found.class_id[row]} has no name, there are {len(labels)}"
        return _problem(found, "class_beyond_names", message)
    return None


def _without_area(xyxy: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (xyxy[:, 2] <= xyxy[:, 0]) | (xyxy[:, 3] <= xyxy[:, 1])


def _of_boxes(
    found: FoundBoxes,
    xyxy: NDArray[np.float64],
    empty: NDArray[np.bool_],
    over: NDArray[np.bool_],
    gone: NDArray[np.bool_],
    size_wh: tuple[int, int],
) -> Iterator[Problem]:
    for row in np.flatnonzero(empty | over | gone).tolist():
        box = ", ".join(f"{value:.6g}" for value in xyxy[row])
        where = f"{found.where[row]}: the box {box}"
        if empty[row]:
            yield _problem(found, "empty_box", f"{where} has no area and is dropped")
            continue
        what = "lies outside and is dropped" if gone[row] else "reaches over it and is clipped"
        yield _problem(found, "box_outside", f"{where} in a picture of {size_wh[0]}x{size_wh[1]} {what}")


def _problem(found: FoundBoxes, kind: str, message: str) -> Problem:
    return Problem(path=found.source, kind=kind, message=message)
