"""What all specifications share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]
Tensors = Mapping[str, Tensor]
Affine = NDArray[np.float64]
"""``(2, 3) float64``: maps ``(x, y, 1)`` of a tensor's or region's pixel coordinates to frame coordinates."""
Precision = Literal["f32", "bf16", "f16"]
"""The type that floating-point operators compute in. An int8 graph has one too: its float remainder."""


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For plugins that take no parameters."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specifications. ``name`` is what bundles, configurations and messages use."""

    name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """A graph's input or output: numpy dtype name (``float32``) and shape, ``None`` for a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
