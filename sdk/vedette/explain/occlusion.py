"""Occlusion sensitivity: cover one part of the picture after the other and see what is lost of the answer (Zeiler and
Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2).

It needs nothing of a model but its answers, so it works for any runtime, in any precision, and it costs an inference
for each cell of the map: :func:`cost`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import ConfigError
from vedette.specs import Affine, Tensor
from vedette.vision.geometry import apply
from vedette.vision.spec import InputSpec

Fill = Literal["mean", "grey"]
_GREY = 127.5


class Occlusion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a picture is covered.

    Attributes
    ----------
    cells
        Cells of the map along the longer side of the tensor. The patch is two cells wide and high and is centred on
        each in turn, so that neighbours overlap by half.
    fill
        What the patch is filled with: the ``mean`` of the picture per channel, which hides least besides what is
        covered, or mid ``grey``, as in the paper.
    """

    cells: Annotated[int, msgspec.Meta(ge=2, le=64)] = 12
    fill: Fill = "mean"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cover:
    """Patches over one tensor. ``shape``: rows and columns of the map; ``cells``: those in which a patch is centred;
    ``patches``: ``(n, 4) intp`` x0, y0, x1, y1 of each in pixels of the tensor."""

    shape: tuple[int, int]
    cells: tuple[NDArray[np.intp], ...]
    patches: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.patches)

    def heat(self, base: float, left: NDArray[np.float64]) -> NDArray[np.float32]:
        """The map: what each patch takes away of the answer."""
        heat = np.zeros(self.shape, np.float32)
        heat[self.cells] = base - left
        return heat

    def to_frame(self, affine: Affine, tensor_wh: tuple[int, int]) -> Affine:
        """The map's coordinates to the frame's, where ``affine`` is the tensor's."""
        scale = np.diag([tensor_wh[0] / self.shape[1], tensor_wh[1] / self.shape[0]])
        return np.hstack([affine[:, :2] @ scale, affine[:, 2:]])


def cover(tensor_wh: tuple[int, int], affine: Affine, frame_wh: tuple[int, int], cells: int) -> Cover:
    """Patches for a tensor. Those centred where the tensor shows nothing of the frame (padding) are left out."""
    width, height = tensor_wh
    stride = max(width, height) / min(cells, max(width, height))
    columns, rows = max(1, round(width / stride)), max(1, round(height / stride))
    step = np.array([width / columns, height / rows])
    y, x = np.mgrid[:rows, :columns]
    middle = (np.stack([x, y], axis=-1) + 0.5) * step
    place = apply(affine, middle)
    shown = ((place >= 0) & (place <= np.array(frame_wh))).all(axis=-1)
    centres = middle[shown]
    patches = np.concatenate([np.rint(centres - step), np.rint(centres + step)], axis=1)
    limit = np.array([width, height, width, height])
    return Cover(
        shape=(rows, columns), cells=np.nonzero(shown), patches=patches.clip(0, limit).astype(np.intp)
    )


def cost(size_wh: tuple[int, int], cells: int) -> int:
    """The most inferences that a map takes, for a tensor of ``size_wh``: one per cell, and one of the picture as it
    is.

    >>> cost((224, 224), 12)
    145
    """
    whole = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    return len(cover(size_wh, whole, size_wh, cells)) + 1


def fill_value(pixels: Tensor, fill: Fill, spec: InputSpec | None) -> Tensor:
    """What a patch of ``pixels (h, w, c)`` is filled with: ``(c,)`` in their dtype. ``spec`` says what grey is, where
    pixels are not ``uint8``.

    Raises
    ------
    ConfigError
        Grey is wanted and nobody says how it looks in this tensor.
    """
    if fill == "mean":
        value = pixels.reshape(-1, pixels.shape[-1]).mean(axis=0, dtype=np.float64)
    elif pixels.dtype == np.uint8:
        value = np.full(pixels.shape[-1], _GREY)
    elif spec is not None:
        value = (_GREY - np.array(spec.mean)) / np.array(spec.scale)
    else:
        raise ConfigError(
            "fill 'grey': the preprocessor does not say how grey looks in its tensor", fix="use fill 'mean'"
        )
    filled: Tensor = (np.rint(value) if pixels.dtype == np.uint8 else value).astype(pixels.dtype)
    return filled


def as_pixels(row: Tensor) -> Tensor:
    """A view ``(h, w, c)`` of one batch row of a picture input, ``nchw`` or ``nhwc``. Where the shape leaves it open
    (a side of 1 or 3 pixels), a ``uint8`` row is ``nhwc``, as backends take pixels, another ``nchw``."""
    first, last = row.shape[0] in (1, 3), row.shape[2] in (1, 3)
    return row.transpose(1, 2, 0) if first and not (last and row.dtype == np.uint8) else row
