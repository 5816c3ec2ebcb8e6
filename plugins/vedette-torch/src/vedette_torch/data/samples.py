"""What a reader gives: lists of samples with their class names, and everything that is wrong with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Something on the disk to be looked at.

    ``path`` is what to name when it cannot be used; ``group`` names what must not be split (a board, a camera).
    """

    path: Path
    group: str = ""

    def class_ids(self) -> NDArray[np.int32]:
        """``(n,)``: the classes of what is in it, one entry each."""
        return np.zeros(0, np.int32)

    def facts(self) -> bytes:
        """What is known of it besides what the file holds: two runs are of the same data only if these agree."""
        return b""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSample(Sample):
    """A picture and its class."""

    class_id: int

    def class_ids(self) -> NDArray[np.int32]:
        """Its one class."""
        return np.array([self.class_id], np.int32)

    def facts(self) -> bytes:
        """Its class."""
        return str(self.class_id).encode()


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipSample(Sample):
    """A video and its class; ``group`` names the footage that it was cut from, which must not be split."""

    class_id: int
    group: str = ""

    def facts(self) -> bytes:
        """Its class."""
        return str(self.class_id).encode()


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceSample(Sample):
    """A row of a table: ``values (n,) float32``, for instance points one after the other, and its class.

    ``path`` is the table's, ``row`` the line, from 0 where data begin.
    """

    values: NDArray[np.float32]
    class_id: int
    row: int

    def facts(self) -> bytes:
        """Its class and its values."""
        return str(self.class_id).encode() + self.values.tobytes()


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxesSample(Sample):
    """A picture and what is in it.

    ``xyxy (n, 4) float32`` in pixels of the upright picture, ``class_id (n,) int32``; ``template`` is a picture of the
    same scene without findings, where the data has one.
    ``ignore (n,) bool`` or None (none of them): need not be found, and to find it is not wrong (VOC ``difficult``);
    ``crowd (n,) bool`` or None: such a box around many objects, in which any number may be found (COCO ``iscrowd``).
    """

    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int32]
    template: Path | None = None
    ignore: NDArray[np.bool_] | None = None
    crowd: NDArray[np.bool_] | None = None

    def class_ids(self) -> NDArray[np.int32]:
        """Those of its boxes."""
        return self.class_id

    def facts(self) -> bytes:
        """Its boxes."""
        return self.class_id.tobytes() + self.xyxy.tobytes()


SampleT = TypeVar("SampleT", bound=Sample)


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
