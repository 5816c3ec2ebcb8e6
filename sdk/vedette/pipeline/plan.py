"""Plan: a configuration with everything resolved and opened. Immutable; the frame loop only follows it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import ResultFeed
from vedette.bundle.store import locate
from vedette.bundle.trust import Trust
from vedette.frame import Decode
from vedette.model.candidates import Wanted
from vedette.model.loading import LoadedModel, Replace, load_model
from vedette.model.pool import SessionPool
from vedette.pipeline.accounting import StageAccount
from vedette.pipeline.config import Config, Sink, Stage
from vedette.pipeline.faults import Health
from vedette.pipeline.graph import Face, check_graph, inputs_of, model_takes
from vedette.pipeline.model_ops import DecodeOp, GraphOp
from vedette.pipeline.sinks import OpenSink, open_sinks
from vedette.pipeline.stage_ops import ObserverOp, PluginStageOp, SinkOp, StageRules
from vedette.pipeline.stepping import StepOp, Stepper
from vedette.pipeline.token import Op, Program, number_segments
from vedette.pipeline.workers import Workers
from vedette.registry import Registry
from vedette.specs import Candidate, Observer

OnFailure = Callable[[str, Literal["skip", "fallback", "stop"], Exception], None]
"""Told of each error of a stage or sink: its name, its policy, the error."""

Excluded = Mapping[str, frozenset[Candidate]]
"""Candidates that have failed while running, by stage."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedStage:
    """A stage, resolved: what it takes and gives, and its operations with whether each is ordered."""

    config: Stage
    face: Face
    provider: str
    account: StageAccount
    ops: tuple[tuple[Op, bool], ...]
    model: LoadedModel | None = None
    steppers: tuple[Stepper, ...] = ()

    def close(self) -> None:
        if self.model is not None:
            self.model.close()
            self.model.bundle.close()


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What :class:`vedette.pipeline.run.Pipeline` follows."""

    config: Config
    stages: Mapping[str, PlannedStage]
    sinks: tuple[OpenSink, ...]
    programs: Mapping[str, Program]

    def steppers(self, stream: str) -> list[Stepper]:
        """The recurrent graphs that ``stream`` takes part in."""
        return [
            stepper
            for stage in self.stages.values()
            if _on(stage.config, stream)
            for stepper in stage.steppers
        ]

    def close(self) -> None:
        """Close the models. Sinks are the pipeline's: the next plan may go on with them."""
        for stage in self.stages.values():
            stage.close()


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """What plans are built in; the same for all plans of a pipeline."""

    registry: Registry
    pool: SessionPool
    workers: Workers
    decode: Decode
    base_dir: Path
    on_failure: OnFailure
    observers: list[Observer] = field(default_factory=list)
    observer_account: StageAccount = field(default_factory=StageAccount)


def build_plan(
    config: Config, around: Surroundings, before: Plan | None = None, without: Excluded | None = None
) -> Plan:
    """Resolve and open everything. On any error nothing that was opened stays open.

    Parameters
    ----------
    before
        The plan that this one replaces: its sinks and counts go on where the configuration is equal.
    """
    stages: dict[str, PlannedStage] = {}
    try:
        for index, entry in enumerate(config.stage):
            account = _account(entry, before)
            where = f"stage[{index}] ({entry.name})"
            if entry.bundle is None:
                stages[entry.name] = _plugin_stage(entry, account, config, around, where)
            else:
                failed = (without or {}).get(entry.name, frozenset())
                stages[entry.name] = _model_stage(entry, account, config, around, failed)
        check_graph(config, {name: stage.face for name, stage in stages.items()})
        sinks = open_sinks(config.sink, around.registry, before.sinks if before else ())
    except BaseException:
        for stage in stages.values():
            stage.close()
        raise
    programs = {stream.name: _program(stream.name, stages, sinks, around) for stream in config.stream}
    plan = Plan(config=config, stages=stages, sinks=sinks, programs=programs)
    around.registry.plan_built(plan)
    return plan


def _plugin_stage(
    entry: Stage, account: StageAccount, config: Config, around: Surroundings, where: str
) -> PlannedStage:
    assert entry.use is not None
    spec = around.registry.stages[entry.use]
    params = around.registry.convert_params(spec, entry.params, f"{where}.params")
    rules = _rules(entry, account, str(around.registry.provider(spec)), around)
    signature = f"{spec.name}|{rules.provider}|{params!r}"
    op = PluginStageOp(rules, spec, spec.build(params), signature, platform.node(), config.name)
    face = Face(takes=spec.takes, gives=spec.gives)
    return PlannedStage(
        config=entry, face=face, provider=rules.provider, account=account, ops=((op, spec.ordered),)
    )


def _model_stage(
    entry: Stage, account: StageAccount, config: Config, around: Surroundings, failed: frozenset[Candidate]
) -> PlannedStage:
    model = _load(entry, config, around, failed)
    rules = _rules(entry, account, _provider(model, around.registry), around)
    fed = {
        item.feed.stage
        for graph in model.bundle.manifest.graphs.values()
        for item in graph.inputs.values()
        if isinstance(item.feed, ResultFeed)
    }
    ops: list[tuple[Op, bool]] = []
    steppers: list[Stepper] = []
    for position, graph in enumerate(model.graphs):
        if graph.state:
            stepper = Stepper(around.workers, model, graph, entry.max_wait_ms / 1e3)
            steppers.append(stepper)
            ops.append((StepOp(rules, model, graph, stepper, _state_signature(model, graph.name)), True))
        else:
            ops.append((GraphOp(rules, model, graph, hold=position == len(model.graphs) - 1), False))
    ops.append((DecodeOp(rules, model), False))
    return PlannedStage(
        config=entry,
        face=Face(takes=model_takes(inputs_of(entry), fed), gives=model.parts.postprocess.result),
        provider=rules.provider,
        account=account,
        ops=tuple(ops),
        model=model,
        steppers=tuple(steppers),
    )


def _load(entry: Stage, config: Config, around: Surroundings, failed: frozenset[Candidate]) -> LoadedModel:
    assert entry.bundle is not None
    installed = around.registry.models.get(entry.bundle)
    bundle = open_bundle(
        installed.locate() if installed else locate(entry.bundle, around.base_dir),
        Trust(config.signatures, around.base_dir / config.trust if config.trust else None),
    )
    wanted = Wanted(
        backend=entry.backend,
        device=entry.device,
        variant=entry.variant,
        precision=entry.precision,
        allow_ungraded=entry.allow_ungraded,
        allow_fallback=entry.allow_fallback,
        proof=entry.proof,
    )
    replace = Replace(
        preprocess=entry.preprocess,
        preprocess_params=entry.preprocess_params,
        postprocess=entry.postprocess,
        params=entry.params,
        options=entry.options,
        batch=entry.batch,
        cache_dir=around.base_dir / config.cache_dir if config.cache_dir else None,
    )
    try:
        return load_model(
            bundle,
            around.registry,
            around.pool,
            around.decode,
            wanted=wanted,
            replace=replace,
            without=failed,
        )
    except BaseException:
        bundle.close()
        raise


def _rules(entry: Stage, account: StageAccount, provider: str, around: Surroundings) -> StageRules:
    return StageRules(
        name=entry.name,
        takes=inputs_of(entry),
        every=entry.every,
        provider=provider,
        health=Health(f"stage {entry.name!r}", entry.quarantine_after),
        account=account,
        on_failure=lambda error: around.on_failure(entry.name, entry.on_error, error),
    )


def _provider(model: LoadedModel, registry: Registry) -> str:
    parts = [
        model.parts.backend,
        model.parts.postprocess,
        *(spec for spec, _ in model.parts.preprocess.values()),
    ]
    return ", ".join(dict.fromkeys(f"{spec.name} of {registry.provider(spec)}" for spec in parts))


def _state_signature(model: LoadedModel, graph: str) -> str:
    """Recurrent state fits another plan only for the same graph of the same bundle."""
    return f"{model.bundle.digest}|{graph}"


def _program(
    stream: str, stages: Mapping[str, PlannedStage], sinks: tuple[OpenSink, ...], around: Surroundings
) -> Program:
    ops = [op for stage in stages.values() if _on(stage.config, stream) for op in stage.ops]
    ops += [
        (SinkOp(item, _reporter(item.config, around.on_failure)), True)
        for item in sinks
        if item.config.streams is None or stream in item.config.streams
    ]
    ops.append((ObserverOp(around.observers, around.observer_account), True))
    return number_segments(ops)


def _reporter(config: Sink, on_failure: OnFailure) -> Callable[[Exception], None]:
    return lambda error: on_failure(config.title, config.on_error, error)


def _on(stage: Stage, stream: str) -> bool:
    return stage.streams is None or stream in stage.streams


def _account(entry: Stage, before: Plan | None) -> StageAccount:
    """Counts go on where the stage is still there."""
    known: Any = before.stages.get(entry.name) if before else None
    return known.account if known is not None else StageAccount()
