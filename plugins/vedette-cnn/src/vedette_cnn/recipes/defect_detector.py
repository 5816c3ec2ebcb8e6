"""A detector of small defects in gray pictures, at ease in int8: residual 3x3 convolutions and ReLU alone, one feature
map of stride 8 that has seen its surroundings. It compares with a flawless picture of the same scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vedette.errors import ConfigError, VedetteError
from vedette.vision.spec import InputSpec
from vedette_cnn.recipes.cifar_classifier import Block
from vedette_torch.augment import Augmentation, Negative
from vedette_torch.data.samples import BoxesSample
from vedette_torch.detector import DetectorRecipe, DetectorSettings
from vedette_torch.example import Example
from vedette_torch.pictures import PictureLoader

STRIDE, COARSEST = 8, 16
REFERENCE = "reference"
"""The input that takes the flawless picture."""
COMMON_SIDE = 32.0
"""Pixels: a fresh network's boxes are of this size."""
RARE = 0.01
"""A fresh network thinks that there is something in so many cells (Lin et al. 2017, "Focal loss")."""


class DefectSettings(DetectorSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    widths
        Channels at strides 2, 4, 8 and 16.
    blocks
        Residual blocks at strides 4, 8 and 16.
    head
        Channels of the head.
    compare
        Whether it is shown the flawless picture, too (the samples' ``template``; on the edge, the bundle's reference).
        Without it, what is a defect and what is meant to be so must be told by its look alone, which on boards of a
        design never seen it often cannot.
    opposite
        For each class the one that it is in the negative of a picture, if there is such a one for all: half of the
        pieces are then learnt from as negatives. Of DeepPCB, whose boards are black on white: ``[1, 0, 3, 2, 5, 4]``,
        since an open line is a short between what it runs through.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 36
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 32
    validation: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.07
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 2e-3
    warmup_epochs: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.02
    ema: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.998
    clip_norm: Annotated[float, msgspec.Meta(gt=0)] | None = 10.0
    widths: tuple[int, int, int, int] = (16, 24, 48, 96)
    blocks: tuple[int, int, int] = (1, 2, 2)
    head: Annotated[int, msgspec.Meta(ge=1)] = 64
    compare: bool = True
    opposite: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, side in (("size_wh", self.size_wh[0]), ("size_wh", self.size_wh[1]), ("crop", self.crop)):
            if side % COARSEST:
                raise ValueError(
                    f"{name}: {side} is not a multiple of {COARSEST}, the coarsest stride of the network"
                )
        if any(self.opposite[other : other + 1] != (id_,) for id_, other in enumerate(self.opposite)):
            raise ValueError(f"opposite: {list(self.opposite)} does not pair classes off")


class DefectDetector(DetectorRecipe[DefectSettings]):
    """Of six kinds of defects or any others."""

    name = "defect_detector"
    settings_type = DefectSettings
    stride = STRIDE

    def inputs(self, settings: DefectSettings) -> Mapping[str, InputSpec]:
        gray = InputSpec(
            size_wh=settings.size_wh, colour="gray", kernel="area", mean=(127.5,), scale=(127.5,)
        )
        return {"image": gray, REFERENCE: gray} if settings.compare else {"image": gray}

    def references(self, settings: DefectSettings) -> tuple[str, ...]:
        return (REFERENCE,) if settings.compare else ()

    def load(self, sample: BoxesSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        example = super().load(sample, labels, loader)
        if REFERENCE not in loader.names:
            return example
        if sample.template is None:
            raise VedetteError(
                f"{sample.path} has no flawless picture of the same scene to compare with",
                fix="give one with each picture, as DeepPCB does, or set compare=false",
            )
        reference, _ = loader.load(sample.template, REFERENCE)
        return replace(example, input=torch.cat([example.input, reference]))

    def augmentation(self, settings: DefectSettings) -> Sequence[Augmentation]:
        shared = super().augmentation(settings)
        return (*shared, Negative(opposite=settings.opposite)) if settings.opposite else shared

    def network(self, settings: DefectSettings, labels: tuple[str, ...]) -> nn.Module:
        if settings.opposite and len(settings.opposite) != len(labels):
            raise ConfigError(
                f"the setting opposite has {len(settings.opposite)} classes, the data has {len(labels)}",
                fix=f"say of each of {', '.join(labels)} what it is in the negative, or leave it out",
            )
        shape = settings.widths, settings.blocks, settings.head, len(labels)
        return ComparingNetwork(*shape) if settings.compare else DefectNetwork(1, *shape)


class ComparingNetwork(nn.Module):
    """A picture and the flawless one, each ``(n, 1, h, w)``, and their difference, seen by a :class:`DefectNetwork`."""

    def __init__(
        self, widths: tuple[int, int, int, int], blocks: tuple[int, int, int], head: int, classes: int
    ) -> None:
        super().__init__()
        self.seen = DefectNetwork(3, widths, blocks, head, classes)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Boxes, objectness and classes of every cell, as logits."""
        boxes: Tensor = self.seen(torch.cat([image, reference, image - reference], dim=1))
        return boxes


class DefectNetwork(nn.Module):
    """``(n, channels, h, w)`` to ``(n, h / 8 * w / 8, 5 + classes)``; height and width are multiples of 16. See
    :class:`~vedette_torch.detector.DetectorRecipe`."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, int, int, int],
        blocks: tuple[int, int, int],
        head: int,
        classes: int,
    ) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = _convolution(channels, stem, 3, 2)
        self.stages = nn.ModuleList()
        for before, width, count in zip(widths, stages, blocks, strict=False):
            self.stages.append(
                nn.Sequential(
                    _convolution(before, width, 3, 2), *(Block(width, width, 1) for _ in range(count))
                )
            )
        self.lateral = _convolution(widths[3], widths[2], 1, 1)
        self.neck = nn.Sequential(_convolution(widths[2], head, 3, 1), _convolution(head, head, 3, 1))
        self.box = nn.Conv2d(head, 4, 1)
        self.objectness = nn.Conv2d(head, 1, 1)
        self.classes = nn.Conv2d(head, classes, 1)
        self._begin_likely()

    def forward(self, image: Tensor) -> Tensor:
        """Boxes, objectness and classes of every cell, as logits."""
        fine = self.stages[1](self.stages[0](self.stem(image)))
        coarse = self.lateral(self.stages[2](fine))
        features = self.neck(fine + interpolate(coarse, scale_factor=2.0, mode="nearest"))
        parts = (self.box(features), self.objectness(features), self.classes(features))
        return torch.cat([part.flatten(2) for part in parts], dim=1).transpose(1, 2)

    def _begin_likely(self) -> None:
        """Boxes of a common size, in the middle of their cell, and next to no findings."""
        for layer in (self.box, self.objectness, self.classes):
            nn.init.normal_(layer.weight, std=0.01)
        with torch.no_grad():
            assert self.box.bias is not None
            assert self.objectness.bias is not None
            self.box.bias.copy_(torch.tensor([0.5, 0.5, *[log(COMMON_SIDE / STRIDE)] * 2]))
            self.objectness.bias.fill_(log(RARE / (1 - RARE)))


def _convolution(before: int, width: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
