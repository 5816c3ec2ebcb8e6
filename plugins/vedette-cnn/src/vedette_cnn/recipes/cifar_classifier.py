"""A classifier of 32x32 pictures, small and at ease in int8: a residual network of 3x3 convolutions, ReLU alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from torch import Tensor, nn

from vedette.vision.spec import InputSpec
from vedette_torch.augment import Augmentation, Colour, CutMix, Erase, Flip, Mixing, PadCrop
from vedette_torch.classifier import ClassifierRecipe, ClassifierSettings
from vedette_torch.recipe import Optimiser, Schedule

MEAN = (125.3, 123.0, 113.9)
SCALE = (63.0, 62.1, 66.7)
"""Mean and standard deviation of CIFAR-10's training pictures, per channel of RGB."""
GREY = 123.0


class CifarSettings(ClassifierSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    widths
        Channels of the three stages, at 32x32, 16x16 and 8x8.
    blocks
        Residual blocks in each stage.
    shift, erase
        Augmentation in pixels: how far a picture is moved, and the side of the square that is covered (0: none).
    light
        Augmentation: largest change of brightness (of the range), and half of that of contrast (relative).
    cutmix
        Augmentation: how often a rectangle of another picture is put in.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 60
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 128
    validation: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.04
    optimiser: Optimiser = "nesterov"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 0.2
    schedule: Schedule = "one_cycle"
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 5e-4
    label_smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.995
    widths: tuple[int, int, int] = (24, 48, 112)
    blocks: Annotated[int, msgspec.Meta(ge=1)] = 2
    shift: Annotated[int, msgspec.Meta(ge=0)] = 4
    erase: Annotated[int, msgspec.Meta(ge=0)] = 8
    light: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    cutmix: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class CifarClassifier(ClassifierRecipe[CifarSettings]):
    """Of ten classes or any other number of them: 0.49 M parameters, 66 M multiply-adds per picture."""

    name = "cifar_classifier"
    settings_type = CifarSettings

    def inputs(self, settings: CifarSettings) -> Mapping[str, InputSpec]:
        return {"image": InputSpec(size_wh=(32, 32), resize="stretch", kernel="area", mean=MEAN, scale=SCALE)}

    def augmentation(self, settings: CifarSettings) -> Sequence[Augmentation]:
        return (
            PadCrop(padding=settings.shift, fill=GREY),
            Flip(),
            Colour(brightness=settings.light, contrast=2 * settings.light),
            *([Erase(size=settings.erase, fill=GREY)] if settings.erase else []),
        )

    def mixing(self, settings: CifarSettings) -> Mixing | None:
        return CutMix(probability=settings.cutmix) if settings.cutmix else None

    def network(self, settings: CifarSettings, labels: tuple[str, ...]) -> nn.Module:
        return ResidualNetwork(settings.widths, settings.blocks, len(labels), settings.dropout)


class Block(nn.Module):
    """Two 3x3 convolutions around which the input is carried (He et al. 2016), by a 1x1 convolution where shapes
    differ."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(before, width, 3, stride)
        self.second = _convolution(width, width, 3, 1)
        self.carry = (
            nn.Identity() if before == width and stride == 1 else _convolution(before, width, 1, stride)
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``(n, before, h, w)`` to ``(n, width, h / stride, w / stride)``."""
        out: Tensor = self.relu(self.second(self.relu(self.first(x))) + self.carry(x))
        return out


class ResidualNetwork(nn.Module):
    """A stem, three stages of blocks, the mean over all places, one linear layer: ``(n, 3, h, w)`` to ``(n,
    classes)``."""

    def __init__(self, widths: tuple[int, int, int], blocks: int, classes: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, widths[0], 3, 1), nn.ReLU()]
        before = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                layers.append(Block(before, width, 2 if stage and not block else 1))
                before = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(before, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.dropout(self.pool(self.features(image)).flatten(1)))
        return logits


def _convolution(before: int, width: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width))
