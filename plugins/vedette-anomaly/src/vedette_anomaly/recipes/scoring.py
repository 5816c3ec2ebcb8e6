"""Scores of footage by a network that is at hand, as a box would give them: for limits, and to measure by."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vedette_anomaly.blocks import block_means
from vedette_anomaly.recipes.footage import Footage
from vedette_anomaly.recipes.reconstruction import CELL, ReconstructionRecipe, Streaming, normalised

_AT_ONCE = 8


@torch.no_grad()
def cell_errors(
    recipe: ReconstructionRecipe[Any], network: nn.Module, footage: Footage, past: int
) -> NDArray[np.float32]:
    """``(n - past, h, w)``: what the exported graph gives for each frame of ``footage`` but the first ``past``."""
    frames = torch.from_numpy(np.stack(footage.frames))
    channels, height, width = frames.shape[1:]
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = Streaming(recipe, network, channels)
    found = [np.zeros((0, height // CELL, width // CELL), np.float32)]
    for first in range(past, len(frames), _AT_ONCE):
        rows = torch.arange(first, min(first + _AT_ONCE, len(frames)))
        shown = [normalised(frames[rows - back].float()) for back in range(past, -1, -1)]
        given = step(shown[-1], torch.cat(shown[:-1], dim=1))[0] if past else step(shown[-1])
        found.append(given.numpy())
    return np.concatenate(found)


def raw_scores(cells: NDArray[np.float32], block: int) -> NDArray[np.float64]:
    """``(n,)``: the largest mean over a block, as the decoder takes it."""
    scores: NDArray[np.float64] = block_means(cells, block).max(axis=(1, 2)).astype(np.float64)
    return scores


def smoothed(scores: NDArray[np.float64], rate_hz: float, time_s: float) -> NDArray[np.float64]:
    """As the stage ``anomaly_smooth`` does it, at an even rate."""
    weight = 1 - exp(-1 / rate_hz / time_s)
    out = np.array(scores, np.float64)
    for at in range(1, len(out)):
        out[at] = out[at - 1] + weight * (out[at] - out[at - 1])
    return out


def scores_of(
    recipe: ReconstructionRecipe[Any], network: nn.Module, footage: Sequence[Footage], past: int, block: int
) -> list[NDArray[np.float64]]:
    """Raw scores of each piece of footage."""
    return [raw_scores(cell_errors(recipe, network, item, past), block) for item in footage]
