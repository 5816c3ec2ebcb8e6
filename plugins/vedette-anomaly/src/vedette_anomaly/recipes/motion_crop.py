"""Cutting pieces out of clips where something happens: most of a still camera's picture never changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.random import Generator

from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class MotionCrop:
    """Cuts a square of ``size`` pixels, or as much as there is, out of all frames of a clip ``(t, c, h, w)``: of
    ``tries`` places drawn by chance the one where the last frame differs most from the one before it."""

    size: int
    tries: int = 4

    def __call__(self, example: Example, rng: Generator) -> Example:
        clip = example.input
        height, width = clip.shape[-2:]
        high, wide = min(self.size, height), min(self.size, width)
        places = [
            (int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1)))
            for _ in range(self.tries)
        ]
        cuts = [clip[..., y : y + high, x : x + wide] for y, x in places]
        if len(clip) > 1:
            cuts.sort(key=lambda cut: float((cut[-1, :, ::4, ::4] - cut[-2, :, ::4, ::4]).abs().sum()))
        return replace(example, input=cuts[-1])
