"""What a reader gives: lists of samples with their class names, and everything that is wrong with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSample:
    """A picture and its class."""

    path: Path
    class_id: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxesSample:
    """A picture and what is in it.

    ``xyxy (n, 4) float32`` in pixels of the upright picture, ``class_id (n,) int32``; ``template`` is a picture of the
    same scene without findings, where the data has one; ``group`` names what must not be split (a board, a source).
    ``ignore (n,) bool`` or None (none of them): need not be found, and to find it is not wrong (VOC ``difficult``);
    ``crowd (n,) bool`` or None: such a box around many objects, in which any number may be found (COCO ``iscrowd``).
    """

    path: Path
    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int32]
    template: Path | None = None
    group: str = ""
    ignore: NDArray[np.bool_] | None = None
    crowd: NDArray[np.bool_] | None = None


SampleT = TypeVar("SampleT", ImageSample, BoxesSample)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with the data: ``path`` is the file concerned, ``kind`` a word that tests and scripts can rely on
    (``corrupt``, ``empty_class``, ``box_outside``, ``missing_label``, ``label_without_image`` ...)."""

    path: Path
    kind: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Dataset(Generic[SampleT]):
    """Samples in the order of their paths, the class names by ``class_id``, and the problems met while reading: a
    sample with a problem is left out, unless what is left of it is right (a box clipped to its picture)."""

    samples: Sequence[SampleT]
    labels: tuple[str, ...]
    problems: Sequence[Problem] = field(default_factory=tuple)
