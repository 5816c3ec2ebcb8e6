"""What the readers of the formats give: samples as their labels state them, before anybody looked at the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.layout import WHOLE
from vedette_torch.data.samples import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundImage:
    """A picture of a class."""

    path: Path
    class_id: int
    split: str = WHOLE


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundClip:
    """A video of a class; ``group`` names what must not be split, the footage that it was cut from."""

    path: Path
    class_id: int
    split: str = WHOLE
    group: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundSequence:
    """A row of a table: its number, from 0 where data begin, its class and ``values (n,) float32``."""

    path: Path
    row: int
    class_id: int
    values: NDArray[np.float32]
    split: str = WHOLE


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundBoxes:
    """A picture and the boxes that its labels state.

    ``xyxy (n, 4) float64`` in pixels of the upright picture, or in parts of its sides if ``relative``; ``class_id
    (n,)`` may be beyond the names; ``where``: how the place of each box in ``source``, the label file, is called.
    ``stated_wh`` is the picture's size by its labels. The rest as in :class:`~vedette_torch.data.samples.BoxesSample`.
    """

    path: Path
    source: Path
    xyxy: NDArray[np.float64]
    class_id: NDArray[np.int64]
    where: Sequence[str]
    split: str = WHOLE
    relative: bool = False
    stated_wh: tuple[int, int] | None = None
    template: Path | None = None
    group: str = ""
    ignore: NDArray[np.bool_] | None = None
    crowd: NDArray[np.bool_] | None = None


FoundT = TypeVar("FoundT", FoundImage, FoundClip, FoundSequence, FoundBoxes)


@dataclass(frozen=True, kw_only=True)
class Found(Generic[FoundT]):
    """All samples of a folder, the class names, and what is wrong with labels and layout."""

    entries: Sequence[FoundT]
    labels: tuple[str, ...]
    problems: Sequence[Problem] = field(default_factory=tuple)
