"""A network judged on pictures as they are on the edge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vedette_torch.example import Batch
from vedette_torch.recipe import Objective
from vedette_torch.training.distributed import sum_over_processes


@torch.no_grad()
def judge(
    fabric: Fabric,
    network: nn.Module,
    prepare: Callable[[Tensor], list[Tensor]],
    objective: Objective,
    batches: Iterable[Batch],
) -> dict[str, float]:
    """``loss``, ``pictures`` and what the objective measures, over the batches of all processes together."""
    was_training = network.training
    network.eval()
    measure = objective.measure()
    total = count = pictures = 0.0
    for batch in batches:
        batch = batch.to(fabric.device)
        with fabric.autocast():
            outputs = network(*prepare(batch.input))
        outputs = in_float32(outputs)
        loss = objective.loss(outputs, batch.targets)
        measure.update(outputs, batch.targets)
        total, count, pictures = total + float(loss.total), count + loss.count, pictures + len(batch.targets)
    network.train(was_training)
    total, count, pictures = sum_over_processes(total, count, pictures, device=fabric.device)
    return {"loss": total / max(count, 1.0), **measure.compute(), "pictures": pictures}


def in_float32(outputs: Any) -> Any:
    """Outputs of mixed precision, tensors in tuples, as ``float32``."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float()
    return tuple(in_float32(output) for output in outputs)
