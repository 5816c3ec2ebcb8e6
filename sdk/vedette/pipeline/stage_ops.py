"""Operations of stages that are plugins, of sinks and of observers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.errors import PluginError, SourceError, StageError
from vedette.events import Event, EventDraft, event_id
from vedette.packet import Failed, NotRun, Outcome, Packet, Quarantined, Ran
from vedette.pipeline.accounting import StageAccount
from vedette.pipeline.faults import Health
from vedette.pipeline.sampling import GAP
from vedette.pipeline.sinks import OpenSink
from vedette.pipeline.state import Kept, StreamState, pack, unpack
from vedette.pipeline.token import Token
from vedette.pipeline.workers import Task
from vedette.results import Result, type_name
from vedette.specs import (
    ContinuingStage,
    EndingStage,
    HoldingSink,
    Observer,
    SavingStage,
    Stage,
    StageInputs,
    StageOutput,
    StageSpec,
)

log = logging.getLogger("vedette.pipeline")


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

    def take_note(self, stream: str, kept: Kept) -> None:
        """Say, once, why a state is fresh."""
        if kept.reset or kept.refused:
            self.restarted(stream, kept.reset or kept.refused, unexpected=bool(kept.refused))
            kept.reset = kept.refused = ""

    def restarted(self, stream: str, reason: str, detail: str = "", *, unexpected: bool = False) -> None:
        """State starts afresh: counted and logged."""
        self.account.reset(reason)
        text = f"{reason} {detail}".rstrip()
        level = logging.WARNING if unexpected else logging.INFO
        log.log(level, "stream %r, stage %r: state starts afresh: %s", stream, self.name, text)

    def forget(self, stream: str, memory: dict[int | None, Any], now_ns: int, max_gap_ns: int | None) -> None:
        """Drop what was not seen for longer than the longest gap: a track that comes back after it starts afresh.

        ``memory``: by track, or ``None`` for the whole stream; its items know when they were last seen (``last_ns``).
        """
        if max_gap_ns is None:
            return
        for key in [key for key, item in memory.items() if now_ns - item.last_ns > max_gap_ns]:
            del memory[key]
            if key is None:
                self.restarted(stream, GAP, "in what the model could be run on")
            else:
                self.account.reset("a track is gone")

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
        inputs = StageInputs(frame=token.packet.frame, results=results, stages=self.rules.takes)
        if not self.spec.ordered:
            output = self._checked(self._stage.process(inputs, None))
            if output.events:
                raise PluginError(
                    f"stage {self.spec.name!r} raised an event though it is not ordered",
                    fix="declare ordered=True: the ids of events count per stream",
                )
            return output
        frame = token.packet.frame
        kept = token.stream.state.of(self.rules.name, frame.epoch, self.signature, self)
        self.rules.take_note(frame.stream, kept)
        token.packet.events += kept.last_words
        kept.last_words = []
        kept.wall_ns = frame.clock.wall_ns
        output = self._checked(self._stage.process(inputs, kept.value))
        token.packet.events += self._events(output.events, frame.stream, kept)
        return output

    def start(self, stream: str) -> Any:
        return self._stage.start(stream)

    def renew(self, stream: str, value: Any) -> Any:
        return self._stage.renew(value) if isinstance(self._stage, ContinuingStage) else self.start(stream)

    def save(self, value: Any) -> bytes | None:
        if not isinstance(self._stage, SavingStage):
            return None
        try:
            return pack(self._stage.save(value))
        except Exception as error:  # a plugin's
            log.error("stage %r (%s) cannot save its state: %s", self.rules.name, self.rules.provider, error)
            return None

    def load(self, raw: bytes, shift_ns: int) -> Any:
        assert isinstance(self._stage, SavingStage)
        return self._stage.load(unpack(raw, object), shift_ns)

    def revive(self, state: StreamState) -> None:
        """Take up what was saved, of a stream that ends before its next packet."""
        if self.spec.ordered:
            state.restore(self.rules.name, self.signature, self)

    def finish(self, stream: str, kept: Kept) -> list[Event]:
        """What the stage says at the end of a stream or epoch. An error is the stage's, and no packet's."""
        if not isinstance(self._stage, EndingStage) or self.rules.health.quarantined(stream):
            return []
        try:
            return self._events(self._stage.end(kept.value), stream, kept)
        except Exception as cause:
            error = StageError(self.rules.name, self.rules.provider, cause)
            self.rules.account.outcome(Failed(error))
            self.rules.health.failed(stream, error)
            return []

    def _events(self, drafts: Iterable[EventDraft], stream: str, kept: Kept) -> list[Event]:
        events = [self._stamp.event(draft, stream, kept) for draft in drafts]
        self.rules.account.raised(len(events))
        return events

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

    def event(self, draft: EventDraft, stream: str, kept: Kept) -> Event:
        epoch = kept.generation
        ordinal = kept.ordinals.get(draft.subject, kept.first_ordinal - 1) + 1
        kept.ordinals[draft.subject] = ordinal
        return Event(
            id=event_id(self.box, self.pipeline, stream, epoch, self.stage, draft.subject, ordinal),
            kind=draft.kind,
            stream=stream,
            epoch=epoch,
            stage=self.stage,
            subject=draft.subject,
            t_start_ns=kept.wall_ns if draft.t_start_ns is None else draft.t_start_ns,
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
        if self._item.health.quarantined(""):
            self._item.account.count("skipped")
            return True
        return self._write(token, token.packet, token.packet.events)

    def ready(self) -> bool:
        """Whether the sink may be given more frames."""
        sink = self._item.sink
        return not isinstance(sink, HoldingSink) or self._item.health.quarantined("") or sink.ready()

    @property
    def holding(self) -> bool:
        """Whether :meth:`ready` may ever say no."""
        return isinstance(self._item.sink, HoldingSink)

    def tell(self, task: Task, events: Iterable[Event]) -> bool:
        """Write events that no packet carries; as :meth:`run`, for ``task``."""
        return self._item.health.quarantined("") or self._write(task, None, events)

    def _write(self, task: Task, packet: Packet | None, events: Iterable[Event]) -> bool:
        item = self._item
        if not item.gate.enter(task):
            return False
        try:
            if packet is not None:
                item.sink.write(packet)
            for event in events:
                item.sink.write_event(event)
                item.account.count("events")
        except Exception as error:
            item.account.error(error)
            item.health.failed("", error)
            self._on_failure(error)
        else:
            if packet is not None:
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
