"""What a sensor adds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from numpy.random import Generator

from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Adds Gaussian noise to every value, to each frame of a clip another. Its standard deviation is drawn from 0 up to
    ``most``, in levels of 0..255."""

    most: float = 4.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        sigma = rng.uniform(0, self.most)
        drawn = torch.from_numpy(rng.standard_normal(example.input.shape, dtype="float32"))
        return replace(example, input=(example.input + sigma * drawn).clamp(0, 255))
