"""What a network looks at, a picture or else, with what is to be learnt from it, as tensors: one, and a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One picture, clip, sequence ...

    Attributes
    ----------
    input
        Of a picture ``(c, h, w)``, 0..255: ``uint8`` as loaded, ``float32`` while it is augmented; where a network has
        several inputs, their channels follow each other in the order of the inputs. Of a clip ``(t, c, h, w)``
        likewise; of anything else what the recipe says.
    classes
        ``(classes,) float32``: how much of each class it is, adding up to 1; empty where there are none.
    xyxy, class_id
        ``(n, 4) float32`` in pixels of the tensor, 0..w and 0..h, and ``(n,) int64``; empty but for detection.
    """

    input: Tensor
    classes: Tensor
    xyxy: Tensor
    class_id: Tensor

    @classmethod
    def of_class(cls, input: Tensor, class_id: int, classes: int) -> Example:
        """Something that is one of ``classes`` classes."""
        one_hot = torch.zeros(classes)
        one_hot[class_id] = 1
        return cls(input=input, classes=one_hot, xyxy=torch.zeros(0, 4), class_id=_NO_ID)

    @classmethod
    def of_itself(cls, input: Tensor) -> Example:
        """Something that teaches nothing but what it is: to be reconstructed, or predicted from its own past."""
        return cls(input=input, classes=torch.zeros(0), xyxy=torch.zeros(0, 4), class_id=_NO_ID)

    @classmethod
    def of_boxes(cls, input: Tensor, xyxy: Tensor, class_id: Tensor) -> Example:
        """A picture in which something is to be found."""
        return cls(input=input, classes=torch.zeros(0), xyxy=xyxy, class_id=class_id)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.input.shape[2], self.input.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What a batch of ``n`` examples teaches: ``classes (n, classes)``; for each its ``xyxy`` and ``class_id``.

    ``input (n, ...) float32`` is what they were, augmented, for networks that learn to give it back; ``length (n,)
    int64`` tells how long the first axis of each was before shorter ones were filled up: of a clip its frames.
    """

    input: Tensor
    length: Tensor
    classes: Tensor
    xyxy: Sequence[Tensor]
    class_id: Sequence[Tensor]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """``input (n, ...) float32``, of pictures 0..255, with what they teach."""

    targets: Targets

    @property
    def input(self) -> Tensor:
        """What the examples are, stacked."""
        return self.targets.input

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Batch:
        """Put examples together, of one shape but for the first axis: shorter ones are filled up with zeros."""
        return cls(
            targets=Targets(
                input=pad_sequence([example.input for example in examples], batch_first=True).float(),
                length=torch.tensor([len(example.input) for example in examples]),
                classes=torch.stack([example.classes for example in examples]),
                xyxy=[example.xyxy for example in examples],
                class_id=[example.class_id for example in examples],
            ),
        )

    def parts(self, number: int) -> list[Batch]:
        """The same in ``number`` parts, as even as can be, or in fewer where there are not as many examples."""
        ends = [len(self.targets) * index // number for index in range(number + 1)]
        return [
            Batch(
                targets=Targets(
                    input=self.input[begin:end],
                    length=self.targets.length[begin:end],
                    classes=self.targets.classes[begin:end],
                    xyxy=self.targets.xyxy[begin:end],
                    class_id=self.targets.class_id[begin:end],
                )
            )
            for begin, end in pairwise(ends)
            if end > begin
        ]

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            targets=Targets(
                input=self.input.to(device, non_blocking=True),
                length=self.targets.length.to(device, non_blocking=True),
                classes=self.targets.classes.to(device, non_blocking=True),
                xyxy=[xyxy.to(device) for xyxy in self.targets.xyxy],
                class_id=[class_id.to(device) for class_id in self.targets.class_id],
            ),
        )


_NO_ID = torch.zeros(0, dtype=torch.int64)
