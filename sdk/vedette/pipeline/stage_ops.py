"""Operations of stages that are plugins, of sinks and of observers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vedette.errors import PluginError, SourceError, StageError
from vedette.events import Event, EventDraft, event_id
from vedette.packet import Failed, NotRun, Outcome, Quarantined, Ran
from vedette.pipeline.accounting import StageAccount
from vedette.pipeline.faults import Health
from vedette.pipeline.sinks import OpenSink
from vedette.pipeline.token import Token
from vedette.results import Result, type_name
from vedette.specs import Observer, Stage, StageInputs, StageOutput, StageSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class StageRules:
    """What model stages and plugin stages have in common.

    ``on_failure(error)`` is told of each error besides being recorded: it stops the pipeline or moves to the next
    candidate, as configured.
    """

    name: str
    takes: Mapping[str, str]
    every: int
    provider: str
    health: Health
    account: StageAccount
    on_failure: Callable[[Exception], None]

    def inputs(self, token: Token) -> dict[str, Result] | None:
        """The results this stage takes, by role. ``None``: it does not run, and the packet's outcome says why."""
        outcomes = token.packet.outcome
        if self.name in outcomes:
            return None
        taken = {role: outcomes.get(stage) for role, stage in self.takes.items()}
        results = {
            role: outcome.result
            for role, outcome in taken.items()
            if isinstance(outcome, Ran) and outcome.result is not None
        }
        if self.health.quarantined(token.stream.name):
            self.settle(token, Quarantined())
        elif self.every > 1 and token.ticket % self.every:
            self.settle(token, NotRun("rate"))
        elif len(results) < len(taken):
            self.settle(token, NotRun("no_input"))
        else:
            return results
        return None

    def settle(self, token: Token, outcome: Outcome) -> None:
        """The stage's last word on this packet."""
        token.packet.outcome[self.name] = outcome
        self.account.outcome(outcome)
        if isinstance(outcome, Ran):
            self.health.succeeded(token.stream.name)

    def fail(self, token: Token, cause: Exception) -> None:
        """Record an error. A frame that cannot be decoded is the source's fault, not the stage's."""
        if isinstance(cause, SourceError):
            self.settle(token, Failed(cause))
            token.stream.undecodable(cause)
            return
        error = StageError(self.name, self.provider, cause)
        self.settle(token, Failed(error))
        self.health.failed(token.stream.name, error)
        self.on_failure(error)


class PluginStageOp:
    """Calls a stage plugin. Its state is kept per stream and starts afresh with each epoch."""

    def __init__(
        self, rules: StageRules, spec: StageSpec, stage: Stage, signature: str, box: str, pipeline: str
    ) -> None:
        self.rules = rules
        self.spec = spec
        self.signature = signature
        self._stage = stage
        self._stamp = Stamp(box, pipeline, rules.name)

    def run(self, token: Token) -> bool:
        results = self.rules.inputs(token)
        if results is None:
            return True
        started = time.perf_counter_ns()
        try:
            output = self._process(token, results)
        except Exception as error:
            self.rules.fail(token, error)
            return True
        self.rules.account.time("process", time.perf_counter_ns() - started)
        self.rules.settle(token, Ran(output.result))
        return True

    def _process(self, token: Token, results: Mapping[str, Result]) -> StageOutput:
        inputs = StageInputs(frame=token.packet.frame, results=results)
        if not self.spec.ordered:
            output = self._checked(self._stage.process(inputs, None))
            if output.events:
                raise PluginError(
                    f"stage {self.spec.name!r} raised an event though it is not ordered",
                    fix="declare ordered=True: the ids of events count per stream",
                )
            return output
        kept = token.stream.state.of(self.rules.name, token.packet.frame.epoch, self.signature)
        if not kept.started:
            kept.value, kept.started = self._stage.start(token.stream.name), True
        output = self._checked(self._stage.process(inputs, kept.value))
        for draft in output.events:
            token.packet.events.append(self._stamp.event(draft, token, kept.ordinals))
        self.rules.account.raised(len(output.events))
        return output

    def _checked(self, given: Result | StageOutput | None) -> StageOutput:
        output = given if isinstance(given, StageOutput) else StageOutput(result=given)
        wanted = self.spec.gives
        if output.result is not None if wanted is None else not isinstance(output.result, wanted):
            raise PluginError(
                f"stage {self.spec.name!r} returned {type_name(output.result)}, "
                f"not {wanted.__name__ if wanted else 'None'} as it declares"
            )
        return output


@dataclass(frozen=True, slots=True)
class Stamp:
    """Makes events of drafts: who, when, and an id that the same input always gives again."""

    box: str
    pipeline: str
    stage: str

    def event(self, draft: EventDraft, token: Token, ordinals: dict[str, int]) -> Event:
        frame = token.packet.frame
        ordinal = ordinals[draft.subject] = ordinals.get(draft.subject, -1) + 1
        return Event(
            id=event_id(
                self.box, self.pipeline, frame.stream, frame.epoch, self.stage, draft.subject, ordinal
            ),
            kind=draft.kind,
            stream=frame.stream,
            epoch=frame.epoch,
            stage=self.stage,
            subject=draft.subject,
            t_start_ns=frame.clock.wall_ns if draft.t_start_ns is None else draft.t_start_ns,
            t_end_ns=draft.t_end_ns,
            data=draft.data,
            evidence=draft.evidence,
        )


class SinkOp:
    """Writes a packet and its events to one sink, one packet at a time over all streams."""

    def __init__(self, item: OpenSink, on_failure: Callable[[Exception], None]) -> None:
        self._item = item
        self._on_failure = on_failure

    def run(self, token: Token) -> bool:
        item = self._item
        if item.health.quarantined(""):
            item.account.count("skipped")
            return True
        if not item.gate.enter(token):
            return False
        try:
            item.sink.write(token.packet)
            for event in token.packet.events:
                item.sink.write_event(event)
                item.account.count("events")
        except Exception as error:
            item.account.error(error)
            item.health.failed("", error)
            self._on_failure(error)
        else:
            item.account.count("written")
            item.health.succeeded("")
        finally:
            item.gate.leave()
        return True


class ObserverOp:
    """Calls whoever watches; an error is the observer's own, counted and logged once."""

    def __init__(self, observers: list[Observer], account: StageAccount) -> None:
        self._observers = observers
        self._account = account
        self._health = Health("observer", 2**62)

    def run(self, token: Token) -> bool:
        for observer in self._observers:
            try:
                observer(token.packet)
            except Exception as error:
                name = getattr(observer, "__qualname__", type_name(observer))
                self._account.outcome(Failed(StageError("observer", name, error)))
                self._health.failed(token.stream.name, StageError("observer", name, error))
        return True
