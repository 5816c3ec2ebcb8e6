"""Turning, scaling and moving at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin

import torch
from kornia.geometry.transform import warp_affine
from numpy.random import Generator
from torch import Tensor

from vedette_torch.augment.boxes import clip_boxes, move_boxes
from vedette_torch.augment.crop import MIN_LEFT
from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Turns about the middle by up to ``degrees`` each way, scales by a factor out of ``scale`` and moves by up to
    ``move`` (share of width and height) each way; what comes in has the value ``fill``, 0..255.

    A turned box is the upright one around its corners, and hence larger than what it holds: with boxes, keep
    ``degrees`` small.
    """

    degrees: float = 10.0
    scale: tuple[float, float] = (1.0, 1.0)
    move: float = 0.0
    fill: float = 0.0
    min_left: float = MIN_LEFT

    def __call__(self, example: Example, rng: Generator) -> Example:
        w, h = example.size_wh
        angle, dx, dy = rng.uniform(-1, 1, 3) * (self.degrees, self.move * w, self.move * h)
        return turned(example, angle, rng.uniform(*self.scale), (dx, dy), self.fill, self.min_left)


def turned(
    example: Example, degrees: float, scale: float, move_xy: tuple[float, float], fill: float, min_left: float
) -> Example:
    """Clockwise by ``degrees`` about the middle."""
    w, h = example.size_wh
    affine = about_middle(degrees, scale, move_xy, (w, h))
    half = torch.eye(3)
    half[:2, 2] = 0.5
    # kornia counts from the middle of the first pixel, boxes from its corner
    of_middles = (half.inverse() @ torch.cat([affine, torch.tensor([[0.0, 0, 1]])]) @ half)[:2]
    pixels = warp_affine(example.input[None] - fill, of_middles[None], (h, w))[0] + fill
    xyxy, kept = clip_boxes(move_boxes(example.xyxy, affine), (w, h), min_left)
    return replace(example, input=pixels, xyxy=xyxy, class_id=example.class_id[kept])


def about_middle(
    degrees: float, scale: float, move_xy: tuple[float, float], size_wh: tuple[int, int]
) -> Tensor:
    """``(2, 3)``: turn clockwise about the middle of ``size_wh``, scale and move."""
    c, s = scale * cos(radians(degrees)), scale * sin(radians(degrees))
    x, y = size_wh[0] / 2, size_wh[1] / 2
    return torch.tensor(
        [[c, -s, x - c * x + s * y + move_xy[0]], [s, c, y - s * x - c * y + move_xy[1]]],
        dtype=torch.float32,
    )
