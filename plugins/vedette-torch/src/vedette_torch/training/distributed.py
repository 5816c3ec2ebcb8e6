"""Several processes that compute what one would."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar("T")


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance are those of the batch over all processes.

    For the CPU; PyTorch's :class:`torch.nn.SyncBatchNorm` is for GPUs alone.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least two axes, not {input.ndim}")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [0, *range(2, input.ndim)]
        count = input.new_tensor([input.numel() / input.shape[1]])
        sums = _summed(torch.cat([input.sum(axes), count]))
        n, mean = sums[-1], sums[:-1] / sums[-1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        centred = input - mean.view(shape)
        variance = _summed(centred.square().sum(axes)) / n
        self._remember(mean.detach(), (variance * n / (n - 1)).detach())
        out = centred * (variance + self.eps).rsqrt().view(shape)
        return out * self.weight.view(shape) + self.bias.view(shape) if self.affine else out

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(Function):
    """Over all processes; gradients come back from all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def share_batch_norm(network: nn.Module, device: torch.device) -> nn.Module:
    """Replace batch normalisation by one over all processes; names of parameters stay."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            shared = SharedBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            shared.load_state_dict(child.state_dict())
            setattr(network, name, shared)
        else:
            share_batch_norm(child, device)
    return network


def sum_over_processes(*values: float, device: torch.device) -> list[float]:
    """Each value, added up over all processes."""
    if not dist.is_initialized():
        return list(values)
    total = torch.tensor(
        values, dtype=torch.float64 if device.type != "mps" else torch.float32, device=device
    )
    dist.all_reduce(total)
    result: list[float] = total.tolist()
    return result


def gather_over_processes(items: list[T]) -> list[T]:
    """The items of all processes, those of the first one first."""
    if not dist.is_initialized():
        return items
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, items)
    return [item for part in parts for item in part]
