"""The layer whose feature map is looked at: found, or named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vedette.errors import VedetteError


@dataclass(eq=False)
class Given:
    """A module and the feature map ``(1, c, h, w)`` that it gave last."""

    name: str
    module: nn.Module
    map: Tensor


@dataclass(eq=False)
class _Trace:
    maps: list[Given] = field(default_factory=list)
    pooled: list[Tensor] = field(default_factory=list)


def feature_maps(network: nn.Module, tensor: Tensor) -> list[Given]:
    """The modules that give feature maps of more than one place, in the order in which they are done. Pooling is no
    feature map, nor is what only hands its result on."""
    trace = _Trace()
    names = {module: name for name, module in network.named_modules() if name}

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[2] * output.shape[3] < 2:
            return
        if "Pool" in type(module).__name__ or any(output is map for map in trace.pooled):
            trace.pooled.append(output)
        else:
            trace.maps.append(Given(names[module], module, output))

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        with torch.no_grad():
            network(tensor)
    finally:
        for hook in hooks:
            hook.remove()
    return trace.maps


def find_layer(network: nn.Module, tensor: Tensor, name: str | None, *, boxes: bool) -> tuple[str, nn.Module]:
    """The layer to look at.

    By default of a classifier the one that gives the last feature map: the last convolution with what follows it place
    by place (norm, sum, activation). Of a detector (``boxes``) the last one of those convolutions that give the most
    channels: later ones belong to the heads, where each place speaks for its own boxes only.

    Raises
    ------
    VedetteError
        There is no layer of that name, it gives no feature map, or the network has none.
    """
    maps = feature_maps(network, tensor)
    if name is not None:
        found = next((given for given in reversed(maps) if given.name == name), None)
        if found is None:
            known = ", ".join(dict.fromkeys(given.name for given in maps if _is_convolution(given)))
            raise VedetteError(
                f"the network has no layer {name!r} that gives a feature map",
                fix=f"its convolutions are: {known or 'none'}",
            )
        return found.name, found.module
    wanted = [given for given in maps if _is_convolution(given)] if boxes else maps
    if not wanted:
        raise VedetteError(
            "the network gives no feature map of more than one place, so that no map can be made"
        )
    widest = max(given.map.shape[1] for given in wanted)
    found = [given for given in wanted if not boxes or given.map.shape[1] == widest][-1]
    return found.name, found.module


def _is_convolution(given: Given) -> bool:
    return isinstance(given.module, nn.Conv2d)


@contextmanager
def captured(module: nn.Module) -> Iterator[list[Tensor]]:
    """The feature maps that a module gives, with their graph of gradients."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        copy = output.clone()  # what comes next may work in place
        seen.append(output)
        return copy

    hook = module.register_forward_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()
