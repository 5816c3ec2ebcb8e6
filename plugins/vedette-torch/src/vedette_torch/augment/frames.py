"""A change of pictures, made to every frame of a clip alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.random import Generator

from vedette_torch.augment.base import Augmentation
from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class EveryFrame:
    """Changes the frames of a clip ``(t, c, h, w)`` as ``change`` changes one picture, all by the same draw: the camera
    stays where it is. With probability ``probability``; for changes that work on any number of channels."""

    change: Augmentation
    probability: float = 1.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        if self.probability < 1 and rng.random() >= self.probability:
            return example
        t, c, *_ = example.input.shape
        changed = self.change(replace(example, input=example.input.flatten(0, 1)), rng)
        return replace(changed, input=changed.input.reshape(t, c, *changed.input.shape[1:]))
