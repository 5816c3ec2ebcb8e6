"""Postprocess: keypoints from heat maps. A pure function on arrays, so that its tests need no model."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette import BackendError, Keypoints
from vedette.specs import Tensors
from vedette.vision.geometry import points_to_frame


class PeaksParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``stride``: pixels of the input tensor per cell of a heat map."""

    stride: Annotated[float, msgspec.Meta(gt=0)] = 4.0


def find_peaks(
    outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int], params: PeaksParams
) -> Keypoints:
    """The centre of the highest cell of each map, in pixels of the frame.

    Parameters
    ----------
    outputs
        One output: ``(n, k, h, w)`` heat maps of ``k`` points, 0..1.
    affines
        ``(n, 2, 3)``: tensor to frame coordinates.

    Raises
    ------
    BackendError
        The model has another output.
    """
    maps = next(iter(outputs.values()))
    if len(outputs) != 1 or maps.ndim != 4:
        raise BackendError(
            f"'peaks' decodes one output (n, k, h, w), not {[array.shape for array in outputs.values()]}"
        )
    n, k, h, w = maps.shape
    flat = maps.reshape(n, k, h * w)
    best = flat.argmax(axis=2)
    cells = np.stack([best % w, best // w], axis=2)
    rows = np.arange(n, dtype=np.int32)
    return Keypoints(
        points=points_to_frame((cells + 0.5) * params.stride, rows, affines),
        confidence=np.take_along_axis(flat, best[..., None], axis=2)[..., 0].astype(np.float32),
        source_row=rows,  # which region each row describes: here, one row per region
    )
