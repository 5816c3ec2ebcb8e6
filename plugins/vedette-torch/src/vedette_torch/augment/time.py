"""Changes of time, for clips ``(t, c, h, w)`` and sequences ``(t, features)`` alike: the first axis is time.

Lengths may differ afterwards: a batch fills shorter examples up. A clip keeps whole frames, since a mix of two is a
picture that no camera gives; of a sequence of numbers the values between two steps are interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from numpy.random import Generator
from torch import Tensor

from vedette.errors import VedetteError
from vedette_torch.example import Example


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Plays faster or slower by a factor out of ``factor`` (2: twice as fast, half as long). At least ``least`` steps
    stay."""

    factor: tuple[float, float] = (0.8, 1.25)
    least: int = 2

    def __call__(self, example: Example, rng: Generator) -> Example:
        steps = len(example.input)
        factor = min(rng.uniform(*self.factor), max((steps - 1) / max(self.least - 1, 1), 1e-6))
        count = int((steps - 1) / factor + 1e-9) + 1
        at = (torch.arange(count, dtype=torch.float64) * factor).clamp(max=steps - 1)
        return replace(example, input=_at_times(example.input, at))


@dataclass(frozen=True, kw_only=True)
class CropTime:
    """Cuts out consecutive steps, as many as ``least``..``most``, anywhere; what is shorter stays as it is. ``None``:
    all that there are."""

    least: int
    most: int | None = None

    def __call__(self, example: Example, rng: Generator) -> Example:
        steps = len(example.input)
        most = steps if self.most is None else min(self.most, steps)
        count = int(rng.integers(min(self.least, most), most + 1))
        start = int(rng.integers(0, steps - count + 1))
        return replace(example, input=example.input[start : start + count])


@dataclass(frozen=True, kw_only=True)
class DropFrames:
    """Loses each step but the first with probability ``probability``, as a camera or a network does: the step before is
    seen again in its place (``hold``), or what follows moves up. At least ``least`` steps stay."""

    probability: float = 0.1
    hold: bool = True
    least: int = 2

    def __call__(self, example: Example, rng: Generator) -> Example:
        steps = len(example.input)
        kept = torch.from_numpy(rng.random(steps) >= self.probability)
        kept[0] = True
        if self.hold:
            return replace(example, input=example.input[_held(kept)])
        return replace(example, input=example.input[kept]) if int(kept.sum()) >= self.least else example


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """Plays backwards with probability ``probability``. ``becomes`` says which class others are then, ``None`` for
    those that become nothing that has a name, and are left alone; a class that is not in it stays what it is."""

    becomes: Mapping[int, int | None] = field(default_factory=dict)
    probability: float = 0.5

    def __call__(self, example: Example, rng: Generator) -> Example:
        chance = rng.random()
        classes = relabelled(example.classes, self.becomes)
        if chance >= self.probability or classes is None:
            return example
        return replace(example, input=example.input.flip(0), classes=classes)


def relabelled(classes: Tensor, becomes: Mapping[int, int | None]) -> Tensor | None:
    """Shares of classes ``(k,)`` after some became others; ``None`` if one of them becomes nothing that has a name.

    Raises
    ------
    VedetteError
        ``becomes`` is of a class that there is not.
    """
    for class_id in {*becomes, *becomes.values()}:
        if class_id is not None and not 0 <= class_id < len(classes):
            raise VedetteError(
                f"an augmentation is to change class {class_id}, and the data have classes 0..{len(classes) - 1}",
                fix="correct the setting that says which classes become which",
            )
    moved = torch.zeros_like(classes)
    for class_id, share in enumerate(classes.tolist()):
        target = becomes.get(class_id, class_id)
        if share and target is None:
            return None
        if target is not None:
            moved[target] += share
    return moved


def _held(kept: Tensor) -> list[int]:
    """For each step the last one that was kept."""
    last, held = 0, []
    for step, here in enumerate(kept.tolist()):
        last = step if here else last
        held.append(last)
    return held


def _at_times(input: Tensor, at: Tensor) -> Tensor:
    """The steps of ``input`` at the times ``at``, in steps: the nearest frames, or values between two steps."""
    if input.ndim == 4:
        return input[at.round().long()]
    low = at.floor().long()
    high = (low + 1).clamp(max=len(input) - 1)
    share = (at - low).to(input.dtype).reshape(-1, *[1] * (input.ndim - 1))
    return input[low] * (1 - share) + input[high] * share
