"""Light, colour and sharpness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi

import torch
from kornia.enhance import adjust_hue, adjust_saturation
from kornia.filters import gaussian_blur2d
from numpy.random import Generator

from vedette.errors import VedetteError
from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Colour:
    """Changes the light: ``brightness`` adds up to this share of 255, ``contrast`` and ``saturation`` multiply by 1 -
    x to 1 + x, ``hue`` turns by up to this share of the colour circle. ``saturation`` and ``hue`` need RGB pictures.

    Contrast is about the picture's own mean.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.0
    hue: float = 0.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        brightness, contrast, saturation, hue = rng.uniform(-1, 1, 4).tolist()
        pixels = example.input
        mean = pixels.mean()
        pixels = (pixels - mean) * (1 + contrast * self.contrast) + mean + 255 * brightness * self.brightness
        pixels = pixels.clamp(0, 255)
        if self.saturation or self.hue:
            if len(pixels) != 3:
                raise VedetteError(
                    f"saturation and hue are for RGB pictures, not for {len(pixels)} channels",
                    fix="set both to 0",
                )
            unit = adjust_saturation(pixels / 255, 1 + saturation * self.saturation)
            pixels = adjust_hue(unit, torch.tensor(2 * pi * hue * self.hue)) * 255
        return replace(example, input=pixels)


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Blurs with probability ``probability`` by a Gaussian of ``sigma`` pixels, from..to."""

    probability: float = 0.2
    sigma: tuple[float, float] = (0.3, 1.5)

    def __call__(self, example: Example, rng: Generator) -> Example:
        chance, sigma = rng.random(), rng.uniform(*self.sigma)
        if chance >= self.probability:
            return example
        size = 2 * min(max(round(3 * sigma), 1), (min(example.size_wh) - 1) // 2) + 1
        pixels = gaussian_blur2d(example.input[None], (size, size), (sigma, sigma))[0]
        return replace(example, input=pixels)


@dataclass(frozen=True, kw_only=True)
class Negative:
    """Turns light into dark and dark into light with probability ``probability``.

    ``opposite`` says which class each class then is: where a hole becomes a spot and a spot a hole, ``(1, 0)``. Empty:
    all stay what they are.
    """

    probability: float = 0.5
    opposite: tuple[int, ...] = ()

    def __call__(self, example: Example, rng: Generator) -> Example:
        if rng.random() >= self.probability:
            return example
        turned = replace(example, input=255 - example.input)
        if not self.opposite:
            return turned
        becomes = torch.tensor(self.opposite)
        known = example.class_id >= 0
        return replace(
            turned,
            classes=example.classes[becomes] if len(example.classes) else example.classes,
            class_id=torch.where(known, becomes[example.class_id.clamp(min=0)], example.class_id),
        )
