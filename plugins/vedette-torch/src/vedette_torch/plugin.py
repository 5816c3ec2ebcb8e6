"""What this distribution gives to Vedette. Light: torch is loaded when a command is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec

if TYPE_CHECKING:
    import click


def _data() -> click.Command:
    from vedette_torch.data.command import data

    return data


def _evaluate() -> click.Command:
    from vedette_torch.evaluation.command import evaluate

    return evaluate


def _quantize() -> click.Command:
    from vedette_torch.quantise.command import quantize

    return quantize


def _train() -> click.Command:
    from vedette_torch.train_command import train_command

    return train_command


@hookimpl
def vedette_commands() -> Iterable[CommandSpec]:
    """What is done before a bundle is packed."""
    return [
        CommandSpec(name="data", summary="Look at data before a model is trained on it.", build=_data),
        CommandSpec(name="evaluate", summary="Measure a model on labelled data.", build=_evaluate),
        CommandSpec(
            name="quantize", summary="Int8 beside float, within a budget of accuracy.", build=_quantize
        ),
        CommandSpec(name="train", summary="Train a model by a recipe.", build=_train),
    ]
