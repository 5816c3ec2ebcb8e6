"""From the folder of a run to what is quantised: its float bundle, and one that has learned to bear rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from vedette.bundle.pack import pack_model
from vedette.bundle.request import PackRequest
from vedette.errors import VedetteError
from vedette.registry import Registry
from vedette_torch.quantise.qat import begin_rounding, end_rounding, fold_batch_norm
from vedette_torch.quantise.run import Source
from vedette_torch.recipe import Recipe
from vedette_torch.trained import Trained
from vedette_torch.training import Hardware, train

FOLDER = "qat"
"""In that of the run: the training with rounding, a run of its own."""
EPOCHS = 3
RATE = 0.01
"""Of the rate that the run began with. Without batch normalisation, which is folded, a network bears much less."""


def pack_run(request: PackRequest, work: Path, registry: Registry) -> Source:
    """The float bundle of a run, in the folder ``work``.

    Raises
    ------
    VedetteError
        It cannot be packed, or the licence is missing.
    """
    return Source(bundle=pack_model(request, work / "float.vedette", registry=registry))


def rounding_settings(trained: Trained) -> Any:
    """The settings of the run, but few epochs at a low rate that falls, in full precision."""
    return msgspec.structs.replace(
        trained.settings,
        epochs=EPOCHS,
        learning_rate=RATE * trained.settings.learning_rate,
        schedule="cosine",
        warmup_epochs=0.0,
        precision="32",
        patience=None,
    )


def learn_rounding(
    trained: Trained,
    settings: Any,
    request: PackRequest,
    work: Path,
    registry: Registry,
    *,
    hardware: Hardware | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Source:
    """Train a run's best weights on, with the rounding that int8 brings, in the folder ``qat`` within its own; one that
    was interrupted goes on. What comes of it is float again, and packed in ``work`` beside the run's own model.

    Parameters
    ----------
    settings
        Of the recipe; :func:`rounding_settings`, perhaps changed.
    request
        How the run's own model is packed.

    Raises
    ------
    VedetteError
        The data that the run was trained on is no longer there, the network cannot be traced or trained, or the folder
        holds a training with other settings.
    """
    data, folder = Path(trained.info.data), trained.run.path / FOLDER
    if not data.exists():
        raise VedetteError(
            f"{data}, which {trained.run.path} was trained on, is not here, so there is nothing to learn from",
            fix="bring it back; --method qdq needs pictures to calibrate by alone",
        )
    packed = pack_run(request, work, registry)  # before hours of training
    recipe = _with_rounding(trained)
    done = train(recipe, data, folder, settings=settings, hardware=hardware, resume=True, say=say)
    end_rounding(done.network)
    model = recipe.write(done.network, settings, done.labels, folder)
    return replace(
        packed,
        learned=pack_model(replace(request, model=model), work / "learned.vedette", registry=registry),
        how=f"after quantisation-aware training of {settings.epochs} epochs at {settings.learning_rate:g}, seed "
        f"{settings.seed}",
    )


def _with_rounding(trained: Trained) -> Recipe[Any, Any]:
    """The recipe, but its network begins with the run's best weights, BatchNorm folded, layers rounded."""

    def network(settings: Any, labels: tuple[str, ...]) -> nn.Module:
        folded = fold_batch_norm(trained.network())
        begin_rounding(folded)
        return folded.train()

    recipe = copy.copy(trained.recipe)  # recipes hold no state
    vars(recipe).update(name=f"{recipe.name}+qat", network=network)
    return recipe
