"""What this distribution gives to Vedette. Light: torch is loaded when a command is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec

if TYPE_CHECKING:
    import click


def _add_cam() -> click.Command:
    from vedette_torch.explain.add_cam_command import add_cam

    return add_cam


def _card() -> click.Command:
    from vedette_torch.card.command import card

    return card


def _data() -> click.Command:
    from vedette_torch.data.command import data

    return data


def _evaluate() -> click.Command:
    from vedette_torch.evaluation.command import evaluate

    return evaluate


def _explain() -> click.Command:
    from vedette_torch.explain.command import explain

    return explain


def _quantize() -> click.Command:
    from vedette_torch.quantise.command import quantize

    return quantize


def _report() -> click.Command:
    from vedette_torch.report.command import report

    return report


def _search() -> click.Command:
    from vedette_torch.search.command import search

    return search


def _train() -> click.Command:
    from vedette_torch.train_command import train_command

    return train_command


@hookimpl
def vedette_commands() -> Iterable[CommandSpec]:
    """What is done before a bundle is packed."""
    return [
        CommandSpec(name="add-cam", summary="Have a bundle give activation maps.", build=_add_cam),
        CommandSpec(name="card", summary="Write the card of a model.", build=_card),
        CommandSpec(name="data", summary="Look at data before a model is trained on it.", build=_data),
        CommandSpec(name="evaluate", summary="Measure a model on labelled data.", build=_evaluate),
        CommandSpec(name="explain", summary="Show what speaks for a model's answers.", build=_explain),
        CommandSpec(
            name="quantize", summary="Int8 beside float, within a budget of accuracy.", build=_quantize
        ),
        CommandSpec(name="report", summary="Write one page about a model.", build=_report),
        CommandSpec(name="search", summary="Search good settings for a recipe.", build=_search),
        CommandSpec(name="train", summary="Train a model by a recipe.", build=_train),
    ]
