"""Mirroring."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


def _mirrored(example: Example, axis: int) -> Example:
    """``axis`` of the pixels: 2 mirrors left to right, 1 upside down."""
    low, high = (0, 2) if axis == 2 else (1, 3)
    xyxy = example.xyxy.clone()
    xyxy[:, low] = example.input.shape[axis] - example.xyxy[:, high]
    xyxy[:, high] = example.input.shape[axis] - example.xyxy[:, low]
    return replace(example, input=example.input.flip(axis), xyxy=xyxy)
