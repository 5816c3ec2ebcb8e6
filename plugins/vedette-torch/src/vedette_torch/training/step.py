"""One step of a training, the same in every process."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from vedette_torch.example import Batch
from vedette_torch.recipe import Objective, Settings
from vedette_torch.training.average import WeightAverage
from vedette_torch.training.distributed import sum_over_processes


@dataclass(frozen=True, kw_only=True, eq=False)
class Learner:
    """What learns: ``network`` is the recipe's, ``wrapped`` the same as its processes run it together,
    ``prepare`` makes what it takes of a batch."""

    fabric: Fabric
    settings: Settings
    prepare: Callable[[Tensor], list[Tensor]]
    network: nn.Module
    wrapped: _FabricModule
    optimiser: Optimizer
    wrapped_optimiser: _FabricOptimizer
    average: WeightAverage | None
    objective: Objective

    @property
    def judged(self) -> nn.Module:
        """The network to validate and to export."""
        return self.network if self.average is None else self.average.module


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """``total`` / ``count`` is the loss over all processes; ``gradient_norm`` is that before clipping."""

    total: float
    count: float
    gradient_norm: float

    @property
    def finite(self) -> bool:
        return isfinite(self.total) and isfinite(self.gradient_norm)

    @property
    def loss(self) -> float:
        return self.total / max(self.count, 1.0)


def take_step(learner: Learner, batch: Batch, rate: float, epoch: int, step: int) -> StepResult:
    """Learn from a batch. Where loss or gradient are not finite nothing is changed but gradients.

    What the network draws (dropout) depends on the seed, the epoch, the step and the process.
    """
    fabric, settings = learner.fabric, learner.settings
    seed_all(settings.seed, epoch, step, fabric.global_rank)
    learner.optimiser.zero_grad()
    parts = batch.to(fabric.device).parts(settings.accumulate)
    total, count = sum_over_processes(*_add_gradients(learner, parts), device=fabric.device)
    if not isfinite(total):
        return StepResult(total=total, count=count, gradient_norm=0.0)
    # the gradients of the processes are averaged, hence times their number: total / count over all of them
    _scale_gradients(learner.network, fabric.world_size / max(count, 1.0))
    norm = float(_clip(learner, settings.clip_norm or float("inf")))
    result = StepResult(total=total, count=count, gradient_norm=norm)
    if result.finite:
        for group in learner.optimiser.param_groups:
            group["lr"] = rate
        learner.wrapped_optimiser.step()
        if learner.average is not None:
            learner.average.update_parameters(learner.network)
    return result


def _add_gradients(learner: Learner, parts: Sequence[Batch]) -> tuple[float, float]:
    """Add the gradients of the loss of each part, a sum, to what is there; returns loss and count of this process."""
    total = count = 0.0
    for number, part in enumerate(parts, 1):
        more_to_come = number < len(parts)
        with learner.fabric.no_backward_sync(learner.wrapped, enabled=more_to_come):
            outputs = learner.wrapped(*learner.prepare(part.input))
            loss = learner.objective.loss(outputs, part.targets)
            learner.fabric.backward(loss.total)
        total, count = total + float(loss.total.detach()), count + loss.count
    return total, count


def _scale_gradients(network: nn.Module, factor: float) -> None:
    for parameter in network.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def seed_all(*place: int) -> None:
    """Every generator that code of a network might draw from, by where the training is."""
    words = np.random.SeedSequence(place).generate_state(3).tolist()
    torch.manual_seed(words[0])
    np.random.seed(words[1])  # somebody's layer may use it
    random.seed(words[2])


def _clip(learner: Learner, largest: float) -> Tensor:
    norm = learner.fabric.clip_gradients(
        learner.wrapped, learner.wrapped_optimiser, max_norm=largest, error_if_nonfinite=False
    )
    assert norm is not None
    return norm
