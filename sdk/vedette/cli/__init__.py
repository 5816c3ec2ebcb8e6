"""The command line, ``vedette``. Commands, the core's and the plugins', are imported when they are used."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from vedette import __version__
from vedette.cli.core import CORE_COMMANDS
from vedette.errors import PluginError, VedetteError
from vedette.manager import Provider, guarded
from vedette.registry import Registry, load_plugins
from vedette.results import type_name
from vedette.specs import CommandSpec


def current_registry() -> Registry:
    """All plugins, those of ``--plugin`` included. Loaded at the first call within one run of ``vedette``."""
    return _registry(click.get_current_context())


class Commands(click.Group):
    """A group whose commands are specifications: listing them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_registry(ctx).commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in CORE_COMMANDS:  # needs no plugin: a broken one must not break `vedette inspect`
            return CORE_COMMANDS[cmd_name].build()
        registry = _registry(ctx)
        spec = registry.commands.get(cmd_name)
        return None if spec is None else _build(spec, registry.provider(spec))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(spec.name, spec.summary) for spec in _registry(ctx).commands.values()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; an error that Vedette raised on purpose is one message and exit code 1."""
        debug = os.environ.get("VEDETTE_DEBUG", "") not in ("", "0")
        level = logging.DEBUG if debug else logging.WARNING
        logging.basicConfig(level=level, format="%(levelname)s: %(message)s")
        try:
            return super().main(*args, **kwargs)
        except VedetteError as error:
            if debug:
                raise
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


@click.group(cls=Commands)
@click.option(
    "--plugin",
    "extra_modules",
    metavar="MODULE",
    multiple=True,
    is_eager=True,  # before --help, which lists what it adds
    help="Load this module as a plugin, too. May be given several times.",
)
@click.version_option(__version__, prog_name="vedette")
def main(extra_modules: tuple[str, ...]) -> None:
    """Edge vision: models that prove themselves where they run.

    VEDETTE_PLUGINS=a,b loads only the named plugins, VEDETTE_DISABLE_PLUGINS=c all but these; with
    VEDETTE_STRICT_PLUGINS=1 a plugin that fails is an error. VEDETTE_DEBUG=1 shows tracebacks.
    """


def _registry(ctx: click.Context) -> Registry:
    root = ctx.find_root()
    if not isinstance(root.obj, Registry):
        root.obj = load_plugins(root.params.get("extra_modules", ()))
    return root.obj


def _build(spec: CommandSpec, provider: Provider) -> click.Command:
    try:
        command = guarded(f"command {spec.name!r}", spec.build)
    except PluginError as error:
        raise PluginError(f"{provider}: {error.message}") from error.__cause__
    if not isinstance(command, click.Command):
        raise PluginError(
            f"{provider}: command {spec.name!r} is built as a {type_name(command)}, not a click.Command"
        )
    return command
