"""A network per frame and a GRU over frames: whole clips, and the same network one frame at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LARGEST = 0.25
"""Differences of brightness, 0..1, beyond this count as this: int8 then has 256 steps for what matters, motion and
noise, rather than for a light that is switched on."""


class ClipNetwork(nn.Module):
    """The signed difference of each frame to the one before, convolutions with ReLU, the mean and the largest value of
    each channel, a GRU (Cho et al. 2014), the mean of what it gave so far, a linear layer.

    The mean fades: it is over all steps up to ``memory``, and from then on each new one counts ``1 / memory``.
    """

    def __init__(self, width: int, hidden: int, memory: int, classes: int, dropout: float) -> None:
        super().__init__()
        widths = (max(width // 2, 1), width, width, width, width)
        layers = zip((1, *widths), widths, (2, 2, 2, 1, 1), strict=False)
        self.frames = nn.Sequential(*(_convolution(*layer) for layer in layers))
        self.gru = nn.GRU(2 * width, hidden, batch_first=True)
        self.memory = memory
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    def forward(self, clip: Tensor) -> Tensor:
        """``(n, t, 1, h, w)``, 0..1, to logits ``(n, t, classes)``: of each frame, knowing no later one."""
        change = torch.cat([clip[:, :1] * 0, clip[:, 1:] - clip[:, :-1]], dim=1)
        features = self.features(change.flatten(0, 1)).reshape(clip.shape[0], clip.shape[1], -1)
        states, _ = self.gru(self.dropout(features))
        logits: Tensor = self.head(self.dropout(fading_mean(states, self.memory)))
        return logits

    def features(self, change: Tensor) -> Tensor:
        """Differences ``(n, 1, h, w)`` to ``(n, 2 * width)``."""
        maps = self.frames(change.clamp(-LARGEST, LARGEST) * (1 / LARGEST))
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)


def fading_mean(states: Tensor, memory: int) -> Tensor:
    """Of ``(n, t, d)`` at each step the mean of this and earlier ones, ``mean += (state - mean) / min(step, memory)``
    with steps counted from 1: as one product with the weights that each step has at each later one."""
    step = torch.arange(1, states.shape[1] + 1, device=states.device, dtype=states.dtype)
    share = 1 / step.clamp(max=memory)
    kept = torch.where(step > 1, 1 - share, torch.ones_like(share)).log().cumsum(0)
    weights = share[None] * (kept[:, None] - kept[None]).exp() * (step[None] <= step[:, None])
    return weights @ states


class WholeClip(nn.Module):
    """The answer at the end of a clip: ``(n, t, 1, h, w)`` to logits ``(n, classes)``."""

    def __init__(self, network: ClipNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        logits: Tensor = self.network(clip)[:, -1]
        return logits


class FrameFeatures(nn.Module):
    """The convolutions on one frame, and what is remembered of the one before: the frame, and whether there was one.
    Both zero before the first."""

    def __init__(self, network: ClipNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, last: Tensor, begun: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``frame``, ``last (n, 1, h, w)``, ``begun (n, 1)`` 0 or 1, to features and the next of the other two."""
        change = (frame - last) * begun[:, :, None, None]
        return self.network.features(change), frame + 0, torch.ones_like(begun)


class RecurrentStep(nn.Module):
    """The GRU, the fading mean and the linear layer on one frame's features, and what they remember: all zero before
    the first frame."""

    def __init__(self, network: ClipNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, features: Tensor, memory: Tensor, mean: Tensor, steps: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``features (n, 2 * width)``, ``memory``, ``mean (n, hidden)``, ``steps (n, 1)`` to logits ``(n, classes)``
        and the next of the other three."""
        _, state = self.network.gru(features[:, None], memory[None])
        memory = state[0]
        steps = (steps + 1).clamp(max=float(self.network.memory))
        mean = mean + (memory - mean) / steps
        return self.network.head(mean), memory, mean, steps


def _convolution(before: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
