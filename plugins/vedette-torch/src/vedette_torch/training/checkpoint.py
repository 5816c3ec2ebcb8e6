"""What a training goes on from."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vedette.errors import VedetteError
from vedette_torch.training.average import WeightAverage
from vedette_torch.training.position import Position, decode, encode
from vedette_torch.training.run_folder import RunFolder

FORMAT = 1


def save_checkpoint(
    run: RunFolder,
    network: nn.Module,
    optimiser: Optimizer,
    average: WeightAverage | None,
    position: Position,
) -> None:
    """Write ``last.pt``; if that fails, the one before is still there."""
    state = {
        "format": FORMAT,
        "position": encode(position).decode(),
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": None if average is None else average.state_dict(),
    }
    run.write(run.last.name, _as_bytes(state))


def load_checkpoint(
    run: RunFolder, network: nn.Module, optimiser: Optimizer, average: WeightAverage | None
) -> Position:
    """Fill network, optimiser and average from ``last.pt``; where there is none, the training begins.

    Raises
    ------
    VedetteError
        It is damaged, or does not fit the network.
    """
    if not run.last.exists():
        return Position()
    state = _read(run.last)
    try:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        if average is not None:
            average.load_state_dict(state["average"])
        return decode(state["position"].encode())
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise VedetteError(
            f"{run.last} does not fit this recipe: {error}",
            fix="use the version of the recipe that began the run",
        ) from error


def save_weights(run: RunFolder, network: nn.Module) -> None:
    """Write ``best.pt``."""
    run.write(run.best.name, _as_bytes({"format": FORMAT, "network": network.state_dict()}))


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill a network from ``best.pt``.

    Raises
    ------
    VedetteError
        It cannot be read, or does not fit the network.
    """
    try:
        network.load_state_dict(_read(path)["network"])
    except (RuntimeError, KeyError) as error:
        raise VedetteError(f"{path} does not fit this network: {error}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of weights by name: ``best.pt`` of a run, or a ``state_dict`` of anybody.

    Raises
    ------
    VedetteError
        It cannot be read, or holds something else.
    """
    state = _load(path)
    if isinstance(state, dict) and state.get("format") == FORMAT:
        state = state.get("network")
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise VedetteError(
            f"{path} is no file of weights: it does not hold tensors by name", fix="save network.state_dict()"
        )
    return dict(state)


def _as_bytes(state: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise VedetteError(f"cannot read the checkpoint {path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    state = _load(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise VedetteError(f"{path} is not a checkpoint of this version of vedette-torch")
    return dict(state)
