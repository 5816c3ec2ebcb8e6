"""What an augmentation is."""

from __future__ import annotations

from typing import Protocol

from numpy.random import Generator

from vedette_torch.example import Example


class Augmentation(Protocol):
    """Changes a picture, and what it teaches along with it."""

    def __call__(self, example: Example, rng: Generator) -> Example:
        """A changed copy; ``pixels`` are ``float32``, 0..255. All that is random comes from ``rng``."""
        ...


class Mixing(Protocol):
    """Makes one picture of two of the same size."""

    def __call__(self, first: Example, second: Example, rng: Generator) -> Example:
        """A new example; all that is random comes from ``rng``."""
        ...
