"""Stages: what happens to the results of a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import msgspec

from vedette.events import EventDraft
from vedette.frame import Frame
from vedette.results import Result
from vedette.specs.base import NoParams, Spec


@dataclass(frozen=True, kw_only=True, eq=False)
class StageInputs:
    """What a stage sees of one packet: the frame, the results it takes, by role, and the names of the stages that gave
    them, for ``source`` of a result whose rows belong to rows of theirs."""

    frame: Frame
    results: Mapping[str, Result]
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class StageOutput:
    """A stage's result together with the events it raises."""

    result: Result | None = None
    events: tuple[EventDraft, ...] = ()


class Stage(Protocol):
    """User code between the models. Holds no state of its own: state is per stream and handed in."""

    def start(self, stream: str) -> Any:
        """The initial state of a stream; called again after each reset (new epoch)."""
        ...

    def process(self, inputs: StageInputs, state: Any) -> Result | StageOutput | None:
        """One packet. An ordered stage may change ``state``; packets of a stream then come in order, one at a time."""
        ...


@runtime_checkable
class EndingStage(Stage, Protocol):
    """An ordered stage that has something to say when a stream or an epoch is over."""

    def end(self, state: Any) -> Iterable[EventDraft]:
        """The last events of ``state``, which is not used again. Not called where the state is saved and goes on after
        the next start. A draft without times means that of the latest frame."""
        ...


@runtime_checkable
class SavingStage(Stage, Protocol):
    """An ordered stage whose state outlives a stop of the pipeline (``[state]`` of the configuration)."""

    def save(self, state: Any) -> Any:
        """``state`` as plain values: numbers, texts, bytes, lists, mappings, structs, numpy arrays. Called between two
        packets; ``state`` goes on to be used."""
        ...

    def load(self, saved: Any, shift_ns: int) -> Any:
        """The state again, from what :meth:`save` gave (structs as mappings). ``shift_ns`` is to be added to the
        capture times in it: a camera's clock begins anew with each connection."""
        ...


@runtime_checkable
class ContinuingStage(Stage, Protocol):
    """An ordered stage that takes something over from one epoch to the next: counts, but not what moves."""

    def renew(self, state: Any) -> Any:
        """The state of the next epoch, made of that of the one that is over: instead of :meth:`Stage.start`, after
        :meth:`EndingStage.end`."""
        ...


@dataclass(frozen=True, kw_only=True)
class StageSpec(Spec):
    """``takes``: the result types wanted, by role. ``gives``: the type returned, ``None`` if only events.
    ``ordered``: needs the packets of a stream in order (it keeps state). ``state_key(params)``: a text of what a kept
    state depends on; where it is equal, the state goes on under changed parameters. Default: all of them."""

    build: Callable[[Any], Stage]
    takes: Mapping[str, type[Result]] = field(default_factory=dict)
    gives: type[Result] | None = None
    ordered: bool = False
    params: type[msgspec.Struct] = NoParams
    state_key: Callable[[Any], str] = repr
