"""The decoder ``anomaly_error``: by how much a network was wrong, per cell of its picture, as a map and a score."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import ResultError
from vedette.results import AnomalyMap
from vedette.specs import PostprocessSpec, Tensor, Tensors
from vedette.vision.geometry import boxes_to_frame
from vedette_anomaly.blocks import block_means

Positive = Annotated[float, msgspec.Meta(gt=0)]


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    output
        Name of the output.
    cell
        Pixels of the network's picture per side of a cell.
    block
        Cells per side of a block, over which the mean is taken.
    mean, deviation
        Of the score that normal footage of this scene has, in the output's units.
    alarm
        The score, in deviations above the mean, that becomes 1.
    """

    output: str = "error"
    cell: Annotated[int, msgspec.Meta(ge=1)] = 4
    block: Annotated[int, msgspec.Meta(ge=1)] = 6
    mean: float = 0.0
    deviation: Positive = 1.0
    alarm: Positive = 1.0


def decode(
    outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int], params: Params
) -> AnomalyMap:
    """Decode the output ``(n, h, w)`` of floats: mean errors of cells; below 0 in rows that cannot be judged yet, which
    become no row of the result.

    ``heat`` is the mean over each block, shifted and scaled so that 0 is the mean of normal footage and 1 the alarm;
    ``score`` is its largest value, and ``xyxy`` spans the middles of the blocks, half a cell around them included.

    Raises
    ------
    ResultError
        There is no such output, it has another shape, or it is not finite.
    """
    error = _checked(outputs, len(affines), params.output)
    rows = np.flatnonzero(error.min(axis=(1, 2)) >= 0)
    heat = (block_means(error[rows], params.block) - params.mean) / (params.deviation * params.alarm)
    span = _span(heat.shape[1:], error.shape[1:], params.cell)
    return AnomalyMap(
        score=heat.max(axis=(1, 2)).astype(np.float32),
        heat=heat.astype(np.float32),
        xyxy=boxes_to_frame(np.tile(span, (len(rows), 1)), rows, affines, size_wh),
        source_row=rows.astype(np.int32),
    )


def _checked(outputs: Tensors, rows: int, name: str) -> Tensor:
    tensor = outputs.get(name)
    if tensor is None:
        raise ResultError(
            f"anomaly_error: there is no output {name!r}", fix=f"there are {', '.join(outputs)}"
        )
    if tensor.ndim != 3 or len(tensor) != rows or tensor.dtype.kind != "f" or 0 in tensor.shape[1:]:
        raise ResultError(
            f"anomaly_error: output {name!r} must be ({rows}, h, w) of floats, not {tensor.shape} {tensor.dtype}"
        )
    if not np.isfinite(tensor).all():
        raise ResultError(
            f"anomaly_error: output {name!r} is not finite",
            fix="run it at precision f32 and on another backend: if that does not help, the model file is broken",
        )
    return tensor


def _span(blocks: tuple[int, ...], cells: tuple[int, ...], cell: int) -> NDArray[np.float64]:
    """``(1, 4)``: where the middles of the blocks lie in the network's picture."""
    (high, wide), (height, width) = blocks, cells
    x, y = (width - wide) / 2, (height - high) / 2
    return cell * np.array([[x, y, x + wide, y + high]])


SPEC = PostprocessSpec(
    name="anomaly_error",
    summary="Autoencoders and next-frame networks: where and by how much they were wrong",
    result=AnomalyMap,
    params=Params,
    build=lambda labels: partial(decode),
)
