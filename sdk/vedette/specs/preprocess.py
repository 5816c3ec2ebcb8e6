"""Preprocessing: pixels into rows of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.frame import Frame
from vedette.specs.base import Affine, NoParams, Spec, Tensor, TensorInfo
from vedette.vision.spec import InputSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Roi:
    """A region of interest: the whole frame, a box or an aligned face, all as one affine map.

    ``affine`` maps the region's own coordinates (0..w, 0..h of ``size_wh``) to frame coordinates.
    """

    affine: Affine
    size_wh: tuple[float, float]

    @classmethod
    def whole(cls, size_wh: tuple[int, int]) -> Roi:
        """The whole frame."""
        return cls(affine=np.array([[1.0, 0, 0], [0, 1, 0]]), size_wh=size_wh)

    @classmethod
    def box(cls, xyxy: Sequence[float] | NDArray[np.float32]) -> Roi:
        """An upright box in frame pixels; it may reach over the frame's edge."""
        x0, y0, x1, y1 = (float(value) for value in xyxy)
        return cls(affine=np.array([[1.0, 0, x0], [0, 1, y0]]), size_wh=(x1 - x0, y1 - y0))


@runtime_checkable
class Placed(Protocol):
    """Detections whose rows say themselves where a model is to look: turned, aligned; not in their upright boxes."""

    def rois(self) -> Sequence[Roi]:
        """One region per row."""
        ...


class Preprocess(Protocol):
    """Writes one row of a graph's input."""

    def write(self, frame: Frame, roi: Roi, out: Tensor) -> Affine:
        """Fill ``out`` (one batch row, writable, owned by the request) from ``roi`` of ``frame``.

        Returns the affine map from the tensor's pixel coordinates to the frame's.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec(Spec):
    """A way to turn pixels into an input tensor.

    ``build(params, tensor)`` makes the writer for an input whose real dtype and shape are ``tensor``. ``fuse(params)``
    may return an :class:`InputSpec` whose tensor half a backend takes into its graph; ``tensor`` is then the
    ``uint8 (n, h, w, c)`` input of the fused graph.
    """

    params: type[msgspec.Struct] = NoParams
    build: Callable[[Any, TensorInfo], Preprocess]
    fuse: Callable[[Any], InputSpec | None] = lambda params: None
