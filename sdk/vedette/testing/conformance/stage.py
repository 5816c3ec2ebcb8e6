"""What a stage must keep to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from vedette.events import EventDraft
from vedette.frame import Packed
from vedette.results import Result, type_name
from vedette.specs import Stage, StageInputs, StageOutput, StageSpec
from vedette.testing.conformance import samples
from vedette.testing.conformance.base import Conformance, demand, in_threads, refuse

COUNTS = (0, 1, 3, 2, 0, 0, 4, 5, 5, 5, 1, 0, 0, 0, 2, 6)
"""Rows of each result in the sample packets."""
_IMMUTABLE = (type(None), bool, int, float, str, bytes, tuple, frozenset)

Said = tuple[Any, tuple[EventDraft, ...]]


class StageConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.StageSpec`.

    Must give: ``spec``. May give: ``params``, and ``inputs`` to try it on what it is made for (needed where it takes
    a result type of a plugin's own).
    """

    spec_type = StageSpec

    @pytest.fixture
    def inputs(self, spec: StageSpec) -> Sequence[StageInputs]:
        """What the packets of one stream bring. Default: 16 pictures with 0 to 6 rows of each result it takes."""
        return [self._sample(spec, ticket, rows) for ticket, rows in enumerate(COUNTS)]

    def _sample(self, spec: StageSpec, ticket: int, rows: int) -> StageInputs:
        results = {role: samples.result(kind, rows, ticket) for role, kind in spec.takes.items()}
        for role, made in results.items():
            if made is None:
                self.must_give(
                    "inputs",
                    f"returns a list of StageInputs (role {role!r} is a type that the core cannot make up)",
                )
        frame = samples.frame(Packed("bgr", samples.noise(ticket, (64, 48))), ticket=ticket)
        return StageInputs(
            frame=frame, results={role: made for role, made in results.items() if made is not None}
        )

    @pytest.fixture
    def stage(self, spec: StageSpec, converted: Any) -> Stage:
        """What ``build`` makes. Not to be overridden."""
        return spec.build(converted)

    def test_it_gives_what_it_declares(
        self, spec: StageSpec, stage: Stage, inputs: Sequence[StageInputs]
    ) -> None:
        """``gives`` in every packet, also where there is nothing to say; events only if it is ordered."""
        for result, events in _run(spec, stage, inputs):
            if spec.gives is None:
                demand(
                    result is None,
                    f"it gives {type_name(result)}, but the specification says gives=None",
                    f"declare gives={type(result).__name__}, so that other stages can take it",
                )
            else:
                demand(
                    isinstance(result, spec.gives),
                    f"it gives {type_name(result)} instead of {spec.gives.__name__}",
                    f"return a {spec.gives.__name__} for every packet; {spec.gives.__name__}.empty() where there is "
                    "nothing: no result is not the same as nothing found",
                )
            demand(
                spec.ordered or not events,
                "it raises an event though it is not ordered",
                "declare ordered=True: the ids of events count per stream",
            )
            _demand_plain(events)

    def test_its_inputs_are_not_changed(
        self, spec: StageSpec, stage: Stage, inputs: Sequence[StageInputs]
    ) -> None:
        """Other stages and sinks see the same results and pixels."""
        before = [_described(item) for item in inputs]
        _run(spec, stage, inputs)
        for number, (item, was) in enumerate(zip(inputs, before, strict=True)):
            demand(
                _described(item) == was,
                f"the inputs of packet {number} were changed",
                "make new results (dataclasses.replace, Result.select); never write into a column or the pixels",
            )

    def test_streams_do_not_know_of_each_other(
        self, spec: StageSpec, converted: Any, inputs: Sequence[StageInputs]
    ) -> None:
        """Two streams in turn through one stage give what each gives alone."""
        other = list(reversed(inputs))
        alone = _run(spec, spec.build(converted), inputs), _run(spec, spec.build(converted), other)
        stage = spec.build(converted)
        states = _start(spec, stage, "first"), _start(spec, stage, "second")
        both: tuple[list[Said], list[Said]] = ([], [])
        for pair in zip(inputs, other, strict=True):
            for index, item in enumerate(pair):
                both[index].append(_process(stage, item, states[index]))
        for name, apart, mixed in zip(("first", "second"), alone, both, strict=True):
            for number, (wanted, got) in enumerate(zip(apart, mixed, strict=True)):
                demand(
                    _same(wanted, got),
                    f"packet {number} of the {name} stream gives {_shown(got)} when another stream is interleaved, "
                    f"and {_shown(wanted)} when it runs alone",
                    "keep everything that is remembered in the object that start() returns, one per stream; nothing on "
                    "`self` and nothing global",
                )

    def test_it_starts_afresh(self, spec: StageSpec, stage: Stage, inputs: Sequence[StageInputs]) -> None:
        """After a reconnect or a seek the state is new, and the same input gives the same output."""
        if spec.ordered:
            one, two = stage.start("sample"), stage.start("sample")
            demand(
                one is not two or isinstance(one, _IMMUTABLE),
                "start() returns the same object twice",
                "make a new state in start(): each stream and each epoch has its own",
            )
        first, again = _run(spec, stage, inputs), _run(spec, stage, inputs)
        for number, (wanted, got) in enumerate(zip(first, again, strict=True)):
            demand(
                _same(wanted, got),
                f"packet {number} gives {_shown(wanted)} in one run and {_shown(got)} in the next, from a new state",
                "begin with what start() returns and nothing else; take time from the frame's clock, not from the wall",
            )

    def test_order_does_not_matter_unless_declared(
        self, spec: StageSpec, stage: Stage, inputs: Sequence[StageInputs]
    ) -> None:
        """A stage that is not ordered is called in any order, by several threads at once."""
        if spec.ordered:
            return
        wanted = _run(spec, stage, inputs)
        backwards = list(reversed(_run(spec, stage, list(reversed(inputs)))))
        found = [backwards, *in_threads(lambda _: _run(spec, stage, inputs))]
        for run in found:
            for number, (a, b) in enumerate(zip(wanted, run, strict=True)):
                demand(
                    _same(a, b),
                    f"packet {number} gives {_shown(b)} in another order, and {_shown(a)} in this one",
                    "declare ordered=True and keep what is remembered in the state, or remember nothing",
                )


def _start(spec: StageSpec, stage: Stage, stream: str) -> Any:
    return stage.start(stream) if spec.ordered else None


def _run(spec: StageSpec, stage: Stage, inputs: Sequence[StageInputs]) -> list[Said]:
    state = _start(spec, stage, "sample")
    return [_process(stage, item, state) for item in inputs]


def _process(stage: Stage, inputs: StageInputs, state: Any) -> Said:
    try:
        given = stage.process(inputs, state)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        refuse(
            f"process() writes into its inputs: {error}",
            "make new results (dataclasses.replace, Result.select); columns and pixels are shared",
        )
    output = given if isinstance(given, StageOutput) else StageOutput(result=given)
    demand(
        output.result is None or isinstance(output.result, Result),
        f"process() returned {type_name(output.result)}",
        "return a result, a StageOutput(result=…, events=…), or None",
    )
    return output.result, tuple(output.events)


def _demand_plain(events: tuple[EventDraft, ...]) -> None:
    for event in events:
        demand(
            isinstance(event, EventDraft),
            f"an event is {type_name(event)}",
            "raise EventDraft(kind=…, subject=…, data=…): the pipeline stamps it",
        )
        try:
            msgspec.json.encode(event.data)
        except TypeError as error:
            refuse(
                f"the data of event {event.kind!r} is not plain: {error}",
                "give str, int, float, bool, None, lists and dicts: int(x) and x.tolist() for numpy values",
            )


def _same(a: Said, b: Said) -> bool:
    return _plain(a[0]) == _plain(b[0]) and a[1] == b[1]


def _plain(result: Result | None) -> Any:
    return None if result is None else result.to_builtins()


def _shown(said: Said) -> str:
    result, events = said
    kinds = [event.kind for event in events]
    shown = "no result" if result is None else f"{len(result)} {result.type}"
    return f"{shown}, events {kinds}" if kinds else shown


def _described(inputs: StageInputs) -> Any:
    return {role: result.to_builtins() for role, result in inputs.results.items()}, inputs.frame.view(
        "bgr"
    ).tobytes()
