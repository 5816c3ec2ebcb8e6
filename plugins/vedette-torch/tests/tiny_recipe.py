"""A plugin with a tiny classifier whose training draws wherever it can, and which can be killed on request."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vedette.hookspecs import hookimpl
from vedette.specs import RecipeSpec
from vedette.vision.spec import InputSpec
from vedette_torch.augment import Augmentation, Colour, Erase, Flip, Mixing, MixUp, PadCrop
from vedette_torch.classifier import ClassifierObjective, ClassifierRecipe, ClassifierSettings
from vedette_torch.recipe import LossSum, Splits

KILL_AT = "VEDETTE_TEST_KILL_AT"
"""The call of the training loss, from 1, at which the process kills itself."""


class TinySettings(ClassifierSettings, frozen=True, kw_only=True):
    epochs: int = 3
    batch_size: int = 8
    validation: float = 0.25
    learning_rate: float = 0.01
    width: int = 8
    mix: bool = False
    spoil_at: int = 0


class Objective(ClassifierObjective):
    def __init__(self, settings, counts):
        super().__init__(settings, counts)
        self.calls, self.spoil_at = 0, settings.spoil_at

    def loss(self, outputs: Tensor, targets) -> LossSum:
        loss = super().loss(outputs, targets)
        if loss.total.requires_grad:  # a training step
            self.calls += 1
            if str(self.calls) == os.environ.get(KILL_AT):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.calls == self.spoil_at:
                return LossSum(total=loss.total * torch.nan, count=loss.count)
        return loss


class Noise(nn.Module):
    """Draws from every generator that code may use."""

    def forward(self, x: Tensor) -> Tensor:
        import random

        import numpy as np

        if not self.training:
            return x
        return x * (1 + 0.01 * torch.randn(1) + 0.01 * random.random() + 0.01 * float(np.random.rand()))


class Tiny(ClassifierRecipe[TinySettings]):
    name = "tiny"
    settings_type = TinySettings

    def inputs(self, settings: TinySettings) -> Mapping[str, InputSpec]:
        return {
            "image": InputSpec(
                size_wh=(12, 12), resize="stretch", mean=(127.0,) * 3, scale=(64.0, 65.0, 66.0)
            )
        }

    def augmentation(self, settings: TinySettings) -> Sequence[Augmentation]:
        return (PadCrop(padding=1), Flip(), Colour(), Erase(size=3, probability=0.5))

    def mixing(self, settings: TinySettings) -> Mixing | None:
        return MixUp() if settings.mix else None

    def network(self, settings: TinySettings, labels: tuple[str, ...]) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, settings.width, 3, padding=1),
            nn.BatchNorm2d(settings.width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            Noise() if settings.dropout else nn.Identity(),
            nn.Linear(4 * settings.width, len(labels)),
        )

    def objective(self, settings: TinySettings, splits: Splits) -> Objective:
        counts = [0] * len(splits.labels)
        for sample in splits.train:
            counts[sample.class_id] += 1
        return Objective(settings, counts)


@hookimpl
def vedette_recipes():
    return [RecipeSpec(name="tiny", summary="Tiny.", task="classification", build=Tiny)]
