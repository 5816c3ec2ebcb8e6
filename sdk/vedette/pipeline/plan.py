"""Plan: a configuration with everything resolved and opened. Immutable; the frame loop only follows it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vedette.bundle.manifest import Manifest, ReferenceFeed, ResultFeed, Temporal
from vedette.bundle.pack import read_sample
from vedette.bundle.trust import Trust
from vedette.errors import ConfigError
from vedette.frame import Decode, Pixels
from vedette.model.candidates import Wanted
from vedette.model.loading import LoadedModel, Replace, load_model
from vedette.model.named import open_named
from vedette.model.pool import SessionPool
from vedette.pipeline.accounting import StageAccount
from vedette.pipeline.clips import CollectOp
from vedette.pipeline.config import Config, Sink, Stage
from vedette.pipeline.evidence import SaliencyOp, saliency_op
from vedette.pipeline.faults import Health
from vedette.pipeline.graph import Face, check_graph, inputs_of, model_takes
from vedette.pipeline.model_ops import DecodeOp, GraphOp
from vedette.pipeline.moments import MomentOp
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
    evidence: SaliencyOp | None = None

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
        for name, stage in stages.items():
            rules = _rules(stage.config, stage.account, stage.provider, around)
            stages[name] = replace(stage, evidence=saliency_op(stage.config, config, stage.model, rules))
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
    signature = f"{spec.name}|{rules.provider}|{spec.state_key(params)}"
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
    ops, steppers = _model_ops(entry, model, rules, around.workers)
    return PlannedStage(
        config=entry,
        face=Face(takes=model_takes(inputs_of(entry), fed), gives=model.parts.postprocess.result),
        provider=rules.provider,
        account=account,
        ops=tuple(ops),
        model=model,
        steppers=tuple(steppers),
    )


def _model_ops(
    entry: Stage, model: LoadedModel, rules: StageRules, workers: Workers
) -> tuple[list[tuple[Op, bool]], list[Stepper]]:
    """The operations of a model, each with whether it is ordered, and what gathers the rows of its recurrent graphs."""
    temporal = model.bundle.manifest.temporal
    ops: list[tuple[Op, bool]] = []
    steppers: list[Stepper] = []
    if temporal is not None or any(graph.state for graph in model.graphs):
        ops.append((MomentOp(rules, temporal, model.bundle.digest), True))
    for position, graph in enumerate(model.graphs):
        signature = _state_signature(model, graph.name, entry)
        if graph.state:
            stepper = Stepper(workers, model, graph, entry.max_wait_ms / 1e3)
            steppers.append(stepper)
            ops.append((StepOp(rules, model, graph, stepper, signature), True))
            continue
        if any(item.sample for item in graph.inputs):
            ops.append((CollectOp(rules, model, graph, signature), True))
        ops.append((GraphOp(rules, model, graph, hold=position == len(model.graphs) - 1), False))
    ops.append((DecodeOp(rules, model), False))
    return ops, steppers


def _load(entry: Stage, config: Config, around: Surroundings, failed: frozenset[Candidate]) -> LoadedModel:
    assert entry.bundle is not None
    trust = Trust(config.signatures, around.base_dir / config.trust if config.trust else None)
    bundle = open_named(entry.bundle, around.registry, trust, around.base_dir)
    wanted = Wanted(
        backend=entry.backend,
        device=entry.device,
        variant=entry.variant,
        precision=entry.precision,
        allow_ungraded=entry.allow_ungraded,
        allow_fallback=entry.allow_fallback,
        proof=entry.proof,
    )
    try:
        _check_rate(entry, bundle.manifest.temporal)
        replace = Replace(
            preprocess=entry.preprocess,
            preprocess_params=entry.preprocess_params,
            postprocess=entry.postprocess,
            params=entry.params,
            options=entry.options,
            batch=entry.batch,
            cache_dir=around.base_dir / config.cache_dir if config.cache_dir else None,
            reference=_reference(entry, bundle.manifest, around),
        )
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


def _reference(entry: Stage, manifest: Manifest, around: Surroundings) -> Pixels | None:
    if entry.reference is None:
        return None
    if not any(
        isinstance(item.feed, ReferenceFeed)
        for graph in manifest.graphs.values()
        for item in graph.inputs.values()
    ):
        raise ConfigError(
            f"stage {entry.name!r}: {manifest.name} compares with nothing", fix="leave out reference"
        )
    where = f"stage {entry.name!r}: reference"
    return read_sample(around.base_dir / entry.reference, around.decode, where).pixels


def _check_rate(entry: Stage, temporal: Temporal | None) -> None:
    if temporal is not None and entry.every > 1:
        raise ConfigError(
            f"stage {entry.name!r}: every = {entry.every} counts frames, but the model looks by time, "
            f"{temporal.rate_hz:g} times per second",
            fix="leave out every",
        )


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


def _state_signature(model: LoadedModel, graph: str, entry: Stage) -> str:
    """What a graph remembers fits another plan only for the same graph of the same bundle, fed alike."""
    return f"{model.bundle.digest}|{graph}|{entry.preprocess}|{entry.preprocess_params!r}"


def _program(
    stream: str, stages: Mapping[str, PlannedStage], sinks: tuple[OpenSink, ...], around: Surroundings
) -> Program:
    here = [stage for stage in stages.values() if _on(stage.config, stream)]
    ops = [op for stage in here for op in stage.ops]
    ops += [(stage.evidence, False) for stage in here if stage.evidence is not None]
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
