"""The built-in plugin: what the core provides, through the same hooks as everybody else's."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec, PreprocessSpec, ResultSpec, SinkSpec


@hookimpl
def vedette_preprocessors() -> list[PreprocessSpec]:
    """``image``, which does what an InputSpec says."""
    from vedette.vision.preprocess import IMAGE

    return [IMAGE]


@hookimpl
def vedette_sinks() -> list[SinkSpec]:
    """JSON Lines, to a file or to standard output."""
    from vedette.sinks.jsonl import JSONL
    from vedette.sinks.stdout import STDOUT

    return [JSONL, STDOUT]


@hookimpl
def vedette_results() -> list[ResultSpec]:
    """The result types of the core."""
    from vedette.results import RESULT_TYPES

    return [
        ResultSpec(name=result.type, summary=(inspect.getdoc(result) or "").partition(". ")[0], result=result)
        for result in RESULT_TYPES
    ]


@hookimpl
def vedette_check_ext(ext: Mapping[str, Any]) -> None:
    """What a bundle says of its activation map."""
    from vedette.explain.activation import parse_ext

    parse_ext(ext)


@hookimpl
def vedette_commands() -> list[CommandSpec]:
    """The commands of the core, so that no other plugin can claim their names."""
    from vedette.cli.core import CORE_COMMANDS

    return list(CORE_COMMANDS.values())
