"""Quantisation-aware training: the network learns with the rounding that int8 will bring (Jacob et al. 2018,
https://arxiv.org/abs/1712.05877), and what comes of it is a float network again.

Its export is quantised as any other, by :mod:`vedette_torch.quantise.qdq` or NNCF, so that one kind of file and one
gate serve both; the weights have learned to bear it. Nothing of the fake quantisation is exported: that is where other
ways fail (``docs/quantisation.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from vedette_torch.quantise.errors import QuantiseError

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MOMENTUM = 0.05
"""Of the moving average of an activation's range."""


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy in which BatchNorm is part of the layer before it, as it will be in the file. It gives the same answers.

    Fine-tune that: BatchNorm that goes on learning would make other weights of those that were rounded.

    Raises
    ------
    QuantiseError
        torch.fx cannot trace the network: its ``forward`` has control flow that depends on values.
    """
    copied = deepcopy(network).eval()
    try:
        traced = symbolic_trace(copied)
    except Exception as error:  # torch.fx raises classes of its own, TypeError, RuntimeError ...
        raise QuantiseError(
            f"the network {type(network).__name__} cannot be traced, so BatchNorm is not folded: {error}",
            fix="take control flow that depends on values out of forward()",
        ) from error
    for norm in list(traced.graph.nodes):
        _fold(traced, norm)
    traced.recompile()
    traced.delete_all_unused_submodules()
    return traced.train(network.training)


def _fold(traced: GraphModule, norm: Node) -> None:
    """Fold a node into the one before it, if it is a BatchNorm right behind a layer that nothing else reads."""
    if norm.op != "call_module" or not isinstance(second := traced.get_submodule(str(norm.target)), NORMS):
        return
    source = norm.args[0]
    if not isinstance(source, Node) or source.op != "call_module" or len(source.users) > 1:
        return
    first = traced.get_submodule(str(source.target))
    if isinstance(first, nn.Linear):
        folded: nn.Module = fuse_linear_bn_eval(first, second)
    elif isinstance(first, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        folded = fuse_conv_bn_eval(first, second)
    else:
        return
    parent, _, name = str(source.target).rpartition(".")
    setattr(traced.get_submodule(parent), name, folded)
    norm.replace_all_uses_with(source)
    traced.graph.erase_node(norm)


@contextmanager
def fake_quantised(network: nn.Module, *, without: tuple[str, ...] = ()) -> Iterator[nn.Module]:
    """Within this, layers compute as int8 layers do: weights on 255 levels per channel, their inputs on 256 per tensor.
    Gradients pass the rounding straight through (Bengio et al. 2013, https://arxiv.org/abs/1308.3432). Afterwards
    ``network`` is float again, with the weights that it learned.

    The range of an input is the moving average of what comes by in training mode; the first batch sets it.

    Parameters
    ----------
    network
        Of :func:`fold_batch_norm`; changed in place.
    without
        Names of layers that stay in float, as in ``network.named_modules()``.

    Raises
    ------
    QuantiseError
        There is no layer to quantise, or no layer of a name in ``without``.
    """
    begin_rounding(network, without=without)
    try:
        yield network
    finally:
        end_rounding(network)


def begin_rounding(network: nn.Module, *, without: tuple[str, ...] = ()) -> None:
    """Have layers compute as int8 layers do until :func:`end_rounding`, as :func:`fake_quantised` does. Ranges are
    buffers of the network, so that a checkpoint holds them."""
    layers = {name: module for name, module in network.named_modules() if isinstance(module, LAYERS)}
    unknown = set(without) - layers.keys()
    if unknown:
        raise QuantiseError(
            f"the network has no layer {min(unknown)!r}", fix=f"its layers are {', '.join(layers)}"
        )
    chosen = [module for name, module in layers.items() if name not in without]
    if not chosen:
        raise QuantiseError(f"the network {type(network).__name__} has no layer to quantise")
    for module in chosen:
        parametrize.register_parametrization(module, "weight", _RoundedWeight())
        module.add_module(_INPUT, _RoundedInput())
        module.register_forward_pre_hook(_round_input)


def end_rounding(network: nn.Module) -> None:
    """Make a network of :func:`begin_rounding` float again."""
    for module in network.modules():
        if isinstance(module, LAYERS) and _INPUT in dict(module.named_children()):
            delattr(module, _INPUT)
            module._forward_pre_hooks = type(module._forward_pre_hooks)(
                (key, hook) for key, hook in module._forward_pre_hooks.items() if hook is not _round_input
            )
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)


_INPUT = "rounded_input"


def _round_input(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    value, *rest = given
    return (getattr(module, _INPUT)(value), *rest)


class _RoundedWeight(nn.Module):
    """Symmetric, -127..127, a scale for each output channel: the file's."""

    def forward(self, weight: Tensor) -> Tensor:
        axes = tuple(range(1, weight.ndim))
        scale = (weight.detach().abs().amax(axes) / 127).clamp_min(1e-8)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -127, 127)


class _RoundedInput(nn.Module):
    """Asymmetric, 0..255, one scale; 0 is exact, as it must be for padding."""

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, value: Tensor) -> Tensor:
        if self.training or not self.seen:
            self._watch(value.detach())
        scale = ((self.high - self.low) / 255).clamp_min(1e-8)
        zero = (-self.low / scale).round().clamp(0, 255).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(value, scale, zero, 0, 255)

    def _watch(self, value: Tensor) -> None:
        share = MOMENTUM if self.seen else 1.0
        self.low.lerp_(value.amin().clamp_max(0), share)
        self.high.lerp_(value.amax().clamp_min(0), share)
        self.seen += 1
