"""The commands of the core. Their modules are imported when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from vedette.specs import CommandSpec

if TYPE_CHECKING:
    import click


def _command(name: str, summary: str) -> CommandSpec:
    return CommandSpec(name=name, summary=summary, build=_importer(name))


def _importer(name: str) -> Callable[[], click.Command]:
    def build() -> click.Command:
        command: click.Command = getattr(importlib.import_module(f"vedette.cli.{name}"), name)
        return command

    return build


CORE_COMMANDS = {
    spec.name: spec
    for spec in (
        _command("run", "Run a pipeline."),
        _command("inspect", "Show what a bundle holds."),
        _command("pack", "Turn a model file into a bundle."),
        _command("plugins", "List all plugins, with their state and what they provide."),
        _command("doctor", "Say what this machine offers, and what would be used."),
        _command("bench", "Measure a bundle: the raw runtime against the pipeline."),
    )
}
