"""Optimisers and learning rates. The rate is a function of the step, so that nothing of it needs to be remembered."""

from __future__ import annotations

from math import cos, pi

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from vedette_torch.recipe import Settings

ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = ONE_CYCLE_START / 1e4


def build_optimiser(network: nn.Module, settings: Settings) -> Optimizer:
    """Over the parameters that are trained; those with fewer than two axes (norms, biases) are not decayed."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    match settings.optimiser:
        case "adam":
            return Adam(groups, lr=rate)
        case "adamw":
            return AdamW(groups, lr=rate)
        case "sgd":
            return SGD(groups, lr=rate)
        case "momentum":
            return SGD(groups, lr=rate, momentum=settings.momentum)
        case "nesterov":
            return SGD(groups, lr=rate, momentum=settings.momentum, nesterov=True)


def learning_rate(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """The rate of a step, counted from 0 over the whole training."""
    last = settings.epochs * steps_per_epoch - 1
    if settings.schedule == "one_cycle":
        return settings.learning_rate * _one_cycle(step, last)
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    match settings.schedule:
        case "cosine":
            return settings.learning_rate * _cosine(
                1.0, settings.final_rate, (step - warmup) / max(last - warmup, 1)
            )
        case "step":
            passed = sum(step // steps_per_epoch >= epoch for epoch in settings.milestones)
            return settings.learning_rate * settings.milestone_factor**passed
        case "constant":
            return settings.learning_rate


def _one_cycle(step: int, last: int) -> float:
    top = ONE_CYCLE_RISE * (last + 1) - 1
    if step <= top:
        return _cosine(ONE_CYCLE_START, 1.0, step / top)
    return _cosine(1.0, ONE_CYCLE_END, (step - top) / max(last - top, 1))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * min(share, 1.0))) / 2
