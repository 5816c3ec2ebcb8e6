"""What becomes of boxes when their picture is moved, turned or cut."""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -1
"""Instead of the class of a box: it need not be found, and whatever is found in it is not wrong."""


def move_boxes(xyxy: Tensor, affine: Tensor) -> Tensor:
    """The upright boxes ``(n, 4)`` around the boxes ``xyxy (n, 4)`` after the map ``affine (2, 3)``."""
    x0, y0, x1, y1 = xyxy.unbind(1)
    corners = torch.stack(
        [torch.stack([x, y], dim=1) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], dim=1
    )
    moved = corners @ affine[:, :2].T + affine[:, 2]
    return torch.cat([moved.amin(dim=1), moved.amax(dim=1)], dim=1)


def area(xyxy: Tensor) -> Tensor:
    """``(n,)``: the area of each box of ``(n, 4)``; 0 for one that is inside out."""
    return (xyxy[:, 2:] - xyxy[:, :2]).clamp(min=0).prod(dim=1)


def clip_boxes(xyxy: Tensor, size_wh: tuple[int, int], min_left: float) -> tuple[Tensor, Tensor]:
    """Cut boxes ``(n, 4)`` at the picture's edge.

    Returns those of which at least the share ``min_left`` (0..1) of the area is left, and more than nothing, and a mask
    ``(n,) bool`` of which they were.
    """
    w, h = size_wh
    limits = xyxy.new_tensor([w, h, w, h])
    clipped = torch.minimum(xyxy.clamp(min=0), limits)
    left = area(clipped)
    keep = (left > 0) & (left >= min_left * area(xyxy))
    return clipped[keep], keep
