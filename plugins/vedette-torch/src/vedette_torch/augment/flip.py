"""Mirroring, and turning by right angles: what loses no pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from numpy.random import Generator

from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirrors left to right with probability ``horizontal``, and upside down with probability ``vertical``."""

    horizontal: float = 0.5
    vertical: float = 0.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        across, down = rng.random(2)
        if across < self.horizontal:
            example = _mirrored(example, axis=2)
        if down < self.vertical:
            example = _mirrored(example, axis=1)
        return example


@dataclass(frozen=True, kw_only=True)
class QuarterTurn:
    """Turns by 0, 90, 180 or 270 degrees, each as likely. Pictures that are not square change places of width and
    height, so use it after a crop to a square."""

    def __call__(self, example: Example, rng: Generator) -> Example:
        for _ in range(int(rng.integers(4))):
            example = quarter_turned(example)
        return example


def quarter_turned(example: Example) -> Example:
    """By 90 degrees clockwise."""
    height = example.input.shape[1]
    x0, y0, x1, y1 = example.xyxy.unbind(1)
    xyxy = torch.stack([height - y1, x0, height - y0, x1], dim=1)
    return replace(example, input=example.input.rot90(-1, (1, 2)), xyxy=xyxy)


def _mirrored(example: Example, axis: int) -> Example:
    """``axis`` of the pixels: 2 mirrors left to right, 1 upside down."""
    low, high = (0, 2) if axis == 2 else (1, 3)
    xyxy = example.xyxy.clone()
    xyxy[:, low] = example.input.shape[axis] - example.xyxy[:, high]
    xyxy[:, high] = example.input.shape[axis] - example.xyxy[:, low]
    return replace(example, input=example.input.flip(axis), xyxy=xyxy)
