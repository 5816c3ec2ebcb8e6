"""One picture made of two."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from numpy.random import Generator

from vedette.errors import VedetteError
from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class MixUp:
    """Lays the second picture over the first, by a share out of Beta(``alpha``, ``alpha``) (Zhang et al. 2018).

    Classes are shared accordingly; all boxes of both stay.
    """

    alpha: float = 0.2

    def __call__(self, first: Example, second: Example, rng: Generator) -> Example:
        share = float(rng.beta(self.alpha, self.alpha))
        return replace(
            first,
            input=first.input * share + second.input * (1 - share),
            classes=first.classes * share + second.classes * (1 - share),
            xyxy=torch.cat([first.xyxy, second.xyxy]),
            class_id=torch.cat([first.class_id, second.class_id]),
        )


@dataclass(frozen=True, kw_only=True)
class CutMix:
    """Puts a rectangle of the second picture into the first; its area is a share out of Beta(``alpha``, ``alpha``)
    (Yun et al. 2019), applied with probability ``probability``. For classification."""

    alpha: float = 1.0
    probability: float = 0.5

    def __call__(self, first: Example, second: Example, rng: Generator) -> Example:
        if len(first.xyxy) or len(second.xyxy):
            raise VedetteError("CutMix is for classification: it does not know what becomes of boxes")
        chance, x, y = rng.random(3)
        side = float(1 - rng.beta(self.alpha, self.alpha)) ** 0.5
        if chance >= self.probability:
            return first
        w, h = first.size_wh
        x0, x1 = (round(min(max(x * w + sign * side * w / 2, 0), w)) for sign in (-1, 1))
        y0, y1 = (round(min(max(y * h + sign * side * h / 2, 0), h)) for sign in (-1, 1))
        pixels = first.input.clone()
        pixels[:, y0:y1, x0:x1] = second.input[:, y0:y1, x0:x1]
        share = (x1 - x0) * (y1 - y0) / (w * h)
        return replace(first, input=pixels, classes=first.classes * (1 - share) + second.classes * share)
