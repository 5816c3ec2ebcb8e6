"""Covering a part of a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.random import Generator

from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Erase:
    """Covers a square of ``size`` pixels with ``fill``, 0..255, with probability ``probability`` (DeVries and Taylor
    2017, "cutout"). Its middle lies anywhere, so that it may reach over the edge. Boxes stay as they are."""

    size: int
    probability: float = 1.0
    fill: float = 0.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        chance, x, y = rng.random(3)
        if chance >= self.probability:
            return example
        w, h = example.size_wh
        left, top = int(x * w) - self.size // 2, int(y * h) - self.size // 2
        pixels = example.input.clone()
        pixels[:, max(top, 0) : max(top + self.size, 0), max(left, 0) : max(left + self.size, 0)] = self.fill
        return replace(example, input=pixels)
