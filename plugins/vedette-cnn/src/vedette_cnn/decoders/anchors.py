"""The cells of an anchor-free detector with several strides."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Strides = Annotated[tuple[Annotated[int, msgspec.Meta(ge=1)], ...], msgspec.Meta(min_length=1)]
"""Pixels of the input tensor per cell, one number per feature map, in the order in which the maps come."""


class Cells(NamedTuple):
    """``xy (a, 2) float32``: column and row of each cell; ``stride (a, 1) float32``: its size in tensor pixels. The
    feature maps lie one behind the other, each row by row."""

    xy: NDArray[np.float32]
    stride: NDArray[np.float32]


@lru_cache(maxsize=32)
def cells(input_wh: tuple[int, int], strides: tuple[int, ...]) -> Cells:
    """The cells for an input of ``input_wh``, whole ones also where it is no multiple of a stride (a convolution rounds
    up); remembered, hence read-only."""
    xy, size = [], []
    for stride in strides:
        w, h = -(-input_wh[0] // stride), -(-input_wh[1] // stride)
        xy.append(np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1).reshape(-1, 2))
        size.append(np.full((w * h, 1), stride))
    made = Cells(np.concatenate(xy).astype(np.float32), np.concatenate(size).astype(np.float32))
    for array in made:
        array.flags.writeable = False
    return made


def check_strides(input_wh: tuple[int, int], strides: tuple[int, ...]) -> None:
    """Raise :class:`ValueError` unless both sides of the input are multiples of every stride."""
    for stride in strides:
        if input_wh[0] % stride or input_wh[1] % stride:
            raise ValueError(f"input_wh {input_wh[0]} x {input_wh[1]} is not a multiple of stride {stride}")


def boxes(
    raw: NDArray[np.float32], cell: NDArray[np.float32], stride: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Boxes ``(m, 4)``, left, top, right, bottom in tensor pixels, from ``raw (m, 4)``: x, y of the centre from the
    cell's corner in cells, and the log of width and height in cells."""
    centre = (raw[:, :2] + cell) * stride
    with np.errstate(over="ignore"):  # what overflows is refused with the detections
        half = np.exp(raw[:, 2:]) * stride / 2
    return np.concatenate([centre - half, centre + half], axis=1)
