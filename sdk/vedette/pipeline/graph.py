"""The stages form a graph; its types are checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vedette.errors import ConfigError
from vedette.pipeline.config import Config, Stage
from vedette.results import Detections, Result

BOXES = "boxes"
"""The role whose rows become regions of interest of a model stage."""


@dataclass(frozen=True, slots=True)
class Face:
    """What other stages see of a stage: the result types it takes, by role, and the one it gives."""

    takes: Mapping[str, type[Result]]
    gives: type[Result] | None


def inputs_of(stage: Stage) -> dict[str, str]:
    """Role to stage, with ``on`` spelled out."""
    return {**stage.takes, BOXES: stage.on} if stage.on is not None else dict(stage.takes)


def check_graph(config: Config, faces: Mapping[str, Face]) -> None:
    """Every input of every stage comes from an earlier stage, on the same streams, and has the type it wants.

    Raises
    ------
    ConfigError
        Naming the stage, the role and what is wrong with it.
    """
    earlier: dict[str, Stage] = {}
    for index, stage in enumerate(config.stage):
        here = f"stage[{index}] ({stage.name})"
        given, wanted = inputs_of(stage), faces[stage.name].takes
        for role in wanted.keys() - given.keys():
            raise ConfigError(
                f"{here}.takes: the role {role!r} ({wanted[role].__name__}) is not bound to a stage",
                fix=f'add takes = {{ {role} = "name of a stage" }}',
            )
        for role, name in given.items():
            if role not in wanted:
                known = ", ".join(wanted) or "no roles"
                raise ConfigError(f"{here}.takes: there is no role {role!r}", fix=f"it takes: {known}")
            _check_edge(here, role, wanted[role], name, faces, earlier, stage)
        earlier[stage.name] = stage


def _check_edge(
    here: str,
    role: str,
    wanted: type[Result],
    name: str,
    faces: Mapping[str, Face],
    earlier: Mapping[str, Stage],
    stage: Stage,
) -> None:
    if name not in earlier:
        why = "comes later" if name in faces else "does not exist"
        raise ConfigError(
            f"{here}.takes.{role}: stage {name!r} {why}",
            fix=f"earlier stages: {', '.join(earlier) or 'none'}",
        )
    gives = faces[name].gives
    if gives is None or not issubclass(gives, wanted):
        what = gives.__name__ if gives else "no result"
        raise ConfigError(f"{here}.takes.{role}: wants {wanted.__name__}, but stage {name!r} gives {what}")
    streams = earlier[name].streams
    if streams is not None and (stage.streams is None or not set(stage.streams) <= set(streams)):
        raise ConfigError(
            f"{here}.takes.{role}: stage {name!r} works on the streams {', '.join(streams)} only",
            fix="give this stage the same streams, or fewer",
        )


def model_takes(roles: Mapping[str, str], fed: set[str]) -> dict[str, type[Result]]:
    """The roles of a model stage: ``boxes`` if bound, and those that its inputs are fed from."""
    takes: dict[str, type[Result]] = dict.fromkeys(fed, Result)
    if BOXES in roles:
        takes[BOXES] = Detections
    return takes
