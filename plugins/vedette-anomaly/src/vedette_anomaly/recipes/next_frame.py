"""What comes next, from the frames before: a network that knows only normal footage is surprised by anything else (Liu
et al. 2018, "Future Frame Prediction for Anomaly Detection", https://arxiv.org/abs/1712.09867, here without its
adversarial and flow losses, and with the change to the last frame as what is predicted)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vedette_anomaly.recipes.reconstruction import ReconstructionRecipe, ReconstructionSettings
from vedette_torch.recipe import Optimiser, Schedule

STEEPER = 8.0
"""By how much changes from frame to frame are enlarged."""


class NextFrameSettings(ReconstructionSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    frames
        Before the one that is predicted.
    widths
        Channels at the full size, at half and at a quarter of it.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 6
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 8
    optimiser: Optimiser = "adam"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 2e-3
    schedule: Schedule = "cosine"
    warmup_epochs: Annotated[float, msgspec.Meta(ge=0)] = 0.2
    clip_norm: Annotated[float, msgspec.Meta(gt=0)] | None = 1.0
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.998
    crop: Annotated[int, msgspec.Meta(ge=0)] = 128
    loss: Literal["absolute", "squared"] = "absolute"
    frames: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    widths: tuple[int, int, int] = (12, 24, 40)

    @property
    def past(self) -> int:
        return self.frames


class NextFrame(ReconstructionRecipe[NextFrameSettings]):
    """49 k parameters, 9 k multiply-adds per pixel; ReLU alone, at ease in int8."""

    name = "next_frame"
    settings_type = NextFrameSettings
    stride = 4

    def shown(self, clip: Tensor) -> Tensor:
        """All frames but the newest, as channels."""
        return clip[:, :-1].flatten(1, 2)

    def wanted(self, clip: Tensor) -> Tensor:
        """The newest."""
        return clip[:, -1]

    def network(self, settings: NextFrameSettings, labels: tuple[str, ...]) -> nn.Module:
        return PredictingNetwork(settings.frames, settings.widths)


class PredictingNetwork(nn.Module):
    """Three scales with skips that are added (Ronneberger et al. 2015); what it gives is added to the newest frame."""

    def __init__(self, frames: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.fine = _layer(frames, fine)
        self.middle = nn.Sequential(_layer(fine, middle, 2), _layer(middle, middle))
        self.coarse = nn.Sequential(_layer(middle, coarse, 2), _layer(coarse, coarse), _layer(coarse, middle))
        self.middle_up = nn.Sequential(_layer(middle, middle), _layer(middle, fine))
        self.fine_up = _layer(fine, fine)
        self.change = nn.Conv2d(fine, 1, 3, padding=1)
        nn.init.normal_(self.change.weight, std=0.01)  # it begins by answering that nothing changes
        assert self.change.bias is not None
        nn.init.zeros_(self.change.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """``(n, frames, h, w)``, the oldest first, to ``(n, 1, h, w)``."""
        newest = frames[:, -1:]
        changes = STEEPER * (
            frames[:, 1:] - frames[:, :-1]
        )  # small beside the pixels, and all that tells of motion
        fine = self.fine(torch.cat([newest - 0.5, changes], dim=1))
        middle = self.middle(fine)
        middle = self.middle_up(middle + _doubled(self.coarse(middle)))
        answer: Tensor = newest + self.change(self.fine_up(fine + _doubled(middle)))
        return answer


def _doubled(features: Tensor) -> Tensor:
    return interpolate(features, scale_factor=2.0, mode="nearest")


def _layer(before: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 3, stride, 1), nn.ReLU())
