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
        word = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"vedette.cli.{word}"), word)
        return command

    return build


CORE_COMMANDS = {
    spec.name: spec
    for spec in (
        _command("run", "Run a pipeline."),
        _command("inspect", "Show what a bundle holds."),
        _command("pack", "Turn a model file into a bundle."),
        _command("check", "Show what a bundle finds; try the common mistakes."),
        _command("verify", "Prove a bundle on this box."),
        _command("sign", "Vouch for a bundle with a key."),
        _command("keys", "Make keys; say whose bundles may run here."),
        _command("outbox", "Show what waits to be delivered, and what was refused."),
        _command("models", "Install, list, roll back and remove models."),
        _command("plugins", "List all plugins, with their state and what they provide."),
        _command("new-plugin", "Write a new plugin: a package that works, with tests that pass."),
        _command("doctor", "Say what this machine offers, and what would be used."),
        _command("bench", "Measure a bundle: the raw runtime against the pipeline."),
    )
}
