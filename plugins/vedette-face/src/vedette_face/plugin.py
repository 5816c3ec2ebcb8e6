"""What this distribution adds to Vedette."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec, ResultSpec, StageSpec

if TYPE_CHECKING:
    import click


@hookimpl
def vedette_stages() -> Iterable[StageSpec]:
    """From boxes and landmarks of faces to names."""
    from vedette_face.stages import STAGES

    return STAGES


@hookimpl
def vedette_results() -> Iterable[ResultSpec]:
    """Aligned faces, their quality, and whose they are."""
    from vedette_face.results import RESULTS

    return RESULTS


def _face() -> click.Command:
    from vedette_face.cli.command import face

    command: click.Command = face
    return command


@hookimpl
def vedette_commands() -> Iterable[CommandSpec]:
    """The gallery: who is enrolled."""
    return [
        CommandSpec(name="face", summary="Enrol people, and recognise, list and forget them.", build=_face)
    ]
