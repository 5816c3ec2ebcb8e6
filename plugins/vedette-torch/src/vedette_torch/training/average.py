"""The moving average of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage(AveragedModel):
    """Averages weights and buffers (the statistics of batch normalisation) exponentially after every step.

    Early on, when the weights still move far, it forgets faster: the decay is ``min(decay, (1 + n) / (10 + n))`` after
    ``n`` steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        @torch.no_grad()
        def blend(averaged: Sequence[Tensor], current: Sequence[Tensor], n: Tensor | int) -> None:
            keep = min(decay, (1 + float(n)) / (10 + float(n)))
            for mine, new in zip(averaged, current, strict=True):
                if mine.is_floating_point():
                    mine.lerp_(new, 1 - keep)
                else:
                    mine.copy_(new)

        super().__init__(network, multi_avg_fn=blend, use_buffers=True)
        self.eval()
