"""A picture with what is to be learnt from it, as tensors: one of them, and a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One picture.

    Attributes
    ----------
    pixels
        ``(c, h, w)``, 0..255: ``uint8`` as loaded, ``float32`` while it is augmented. Where a network has several
        inputs, their channels follow each other in the order of the inputs.
    classes
        ``(classes,) float32``: how much of each class it is, adding up to 1; empty for detection.
    xyxy, class_id
        ``(n, 4) float32`` in pixels of the tensor, 0..w and 0..h, and ``(n,) int64``; empty for classification.
    """

    pixels: Tensor
    classes: Tensor
    xyxy: Tensor
    class_id: Tensor

    @classmethod
    def of_class(cls, pixels: Tensor, class_id: int, classes: int) -> Example:
        """A picture that shows one of ``classes`` classes."""
        one_hot = torch.zeros(classes)
        one_hot[class_id] = 1
        return cls(pixels=pixels, classes=one_hot, xyxy=torch.zeros(0, 4), class_id=_NO_ID)

    @classmethod
    def of_boxes(cls, pixels: Tensor, xyxy: Tensor, class_id: Tensor) -> Example:
        """A picture in which something is to be found."""
        return cls(pixels=pixels, classes=torch.zeros(0), xyxy=xyxy, class_id=class_id)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.pixels.shape[2], self.pixels.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What a batch of ``n`` pictures teaches: ``classes (n, classes)``; for each picture its ``xyxy`` and
    ``class_id``."""

    classes: Tensor
    xyxy: Sequence[Tensor]
    class_id: Sequence[Tensor]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """``pixels (n, c, h, w) float32``, 0..255, with what they teach."""

    pixels: Tensor
    targets: Targets

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Batch:
        """Put pictures of one size together."""
        return cls(
            pixels=torch.stack([example.pixels for example in examples]).float(),
            targets=Targets(
                classes=torch.stack([example.classes for example in examples]),
                xyxy=[example.xyxy for example in examples],
                class_id=[example.class_id for example in examples],
            ),
        )

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            pixels=self.pixels.to(device, non_blocking=True),
            targets=Targets(
                classes=self.targets.classes.to(device, non_blocking=True),
                xyxy=[xyxy.to(device) for xyxy in self.targets.xyxy],
                class_id=[class_id.to(device) for class_id in self.targets.class_id],
            ),
        )


_NO_ID = torch.zeros(0, dtype=torch.int64)
