"""Models, recipes, results, commands, observers, candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vedette.results import Result
from vedette.specs.base import Precision, Spec

if TYPE_CHECKING:
    import click

    from vedette.packet import Packet


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A bundle that a distribution carries: ``locate()`` returns the path of its folder or ``.vedette`` file."""

    task: str
    locate: Callable[[], Path]


@dataclass(frozen=True, kw_only=True)
class RecipeSpec(Spec):
    """A way to train a model: server side only. ``build()`` imports the training code and returns its recipe object."""

    task: str
    build: Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class ResultSpec(Spec):
    """A result type of a plugin; ``name`` equals ``result.type``."""

    result: type[Result]


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A subcommand of ``vedette``; ``build()`` is called only when the command is used."""

    build: Callable[[], click.Command]


@runtime_checkable
class Observer(Protocol):
    """Called with each finished packet, in order per stream. Must be quick; an error is counted and blamed."""

    def __call__(self, packet: Packet) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to run a bundle on this box."""

    variant: str
    backend: str
    device: str
    precision: Precision


Specs = Iterable[Spec]
