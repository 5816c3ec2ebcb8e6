"""Weights that a training begins with instead of fresh ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vedette.errors import VedetteError
from vedette_torch.training.checkpoint import read_weights
from vedette_torch.training.run_folder import RunFolder

SHOWN = 8
"""Tensors that a message names of each kind."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """``source``: the folder of a run, whose best epoch is meant, or a file of weights: a ``state_dict`` as
    ``torch.save`` writes it. ``new_head``: whether tensors of as many axes that differ in the length of the first one,
    as those of the last layer do where there are other classes, are left fresh."""

    source: Path
    new_head: bool = False

    @property
    def weights(self) -> Path:
        """The file.

        Raises
        ------
        VedetteError
            There is none.
        """
        found = RunFolder(self.source).best if self.source.is_dir() else self.source
        if not found.is_file():
            what = "a run without best.pt" if self.source.is_dir() else "not there"
            raise VedetteError(
                f"cannot begin from {self.source}: it is {what}",
                fix="name the folder of a run, or a file of weights",
            )
        return found

    def describe(self) -> str:
        """What makes a run that begins so what it is: a hash of the weights, not where they lie."""
        digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        return f"sha256 {digest}{', new head' if self.new_head else ''}"

    def fill(self, network: nn.Module, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Put the weights into a network that knows ``labels``; returns what is to be said of it.

        Raises
        ------
        VedetteError
            The file cannot be read or is none of weights; or tensors are missing, too many, or of other shapes, which
            are named.
        """
        given = read_weights(self.weights)
        own = network.state_dict()
        shapes = {
            name: (tuple(given[name].shape), tuple(own[name].shape))
            for name in own.keys() & given.keys()
            if given[name].shape != own[name].shape
        }
        fresh = {name for name, pair in shapes.items() if self.new_head and _differ_in_first_axis(*pair)}
        wrong = [
            f"{len(names)} tensors {what}: {_some(names)}"
            for what, names in (
                ("are missing", sorted(own.keys() - given.keys())),
                ("are not of this network", sorted(given.keys() - own.keys())),
                ("have other shapes", _told(shapes, sorted(shapes.keys() - fresh))),
            )
            if names
        ]
        if wrong:
            raise VedetteError(
                f"{self.weights} does not fit this network: {'; '.join(wrong)}",
                fix=self._fix(shapes, fresh),
            )
        network.load_state_dict(
            {name: value for name, value in given.items() if name not in fresh}, strict=False
        )
        return tuple(self._notes(labels, _told(shapes, sorted(fresh))))

    def _fix(self, shapes: Mapping[str, Any], fresh: set[str]) -> str:
        if shapes and not fresh and all(_differ_in_first_axis(*pair) for pair in shapes.values()):
            return "if the classes are others, --new-head begins with a fresh last layer and keeps the rest"
        return "use the settings and the version of the recipe that the weights were trained with"

    def _notes(self, labels: tuple[str, ...], fresh: list[str]) -> Iterable[str]:
        if fresh:
            yield f"begins with fresh weights in {', '.join(fresh)}"
        if (
            self.source.is_dir()
            and (theirs := RunFolder(self.source).read_info().labels) != labels
            and not fresh
        ):
            yield f"the classes were {_some(theirs)} and are {_some(labels)}: the last layer begins with what it knew"


def _differ_in_first_axis(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(one) == len(other) > 0 and one[1:] == other[1:]


def _told(shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]], names: Iterable[str]) -> list[str]:
    return [f"{name} {list(shapes[name][0])} instead of {list(shapes[name][1])}" for name in names]


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
