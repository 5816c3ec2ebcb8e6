"""Points as networks over tracks take them: in parts of the picture, whatever its size is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vedette.results import Column, Result
from vedette.specs import ResultSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class RelativePoints(Result):
    """``xy (n, 2) float32``: one point per row in parts of the picture's width and height, 0..1 within it."""

    type: ClassVar[str] = "relative_points"
    columns: ClassVar[Mapping[str, Column]] = {"xy": Column(np.float32, ("n", 2))}

    xy: NDArray[np.float32]


POINTS = ResultSpec(
    name=RelativePoints.type, summary="Points in parts of the picture.", result=RelativePoints
)
