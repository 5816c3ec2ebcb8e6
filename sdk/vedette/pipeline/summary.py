"""Summary: what a run did, where, how fast, and where every frame went. Plain data, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from vedette.pipeline.accounting import StageAccount
from vedette.pipeline.sinks import OpenSink
from vedette.specs import HoldingSink

if TYPE_CHECKING:
    from vedette.pipeline.plan import Plan, PlannedStage
    from vedette.pipeline.stream import StreamRun


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """``streams``, ``stages`` and ``sinks`` by name; ``balanced``: the accounting identity holds on every stream."""

    pipeline: str
    elapsed_s: float
    balanced: bool
    streams: dict[str, dict[str, Any]]
    stages: dict[str, dict[str, Any]]
    sinks: dict[str, dict[str, Any]]
    observers: dict[str, Any]


def summarise(
    plan: Plan,
    streams: Mapping[str, StreamRun],
    sinks: tuple[OpenSink, ...],
    observers: StageAccount,
    elapsed_s: float,
) -> Summary:
    """The state of all counts now."""
    return Summary(
        pipeline=plan.config.name,
        elapsed_s=round(elapsed_s, 3),
        balanced=all(stream.account.balanced() for stream in streams.values()),
        streams={name: _stream(stream) for name, stream in streams.items()},
        stages={name: _stage(stage) for name, stage in plan.stages.items()},
        sinks={item.config.title: _sink(item) for item in sinks},
        observers=observers.to_builtins(),
    )


def _stream(stream: StreamRun) -> dict[str, Any]:
    return {
        **stream.account.to_builtins(),
        "declared_frames": stream.info.frames,
        "undecodable": stream.undecodable_frames,
        "outages": stream.outages.to_builtins(),
        "resumed": stream.resumed,
        "recording": None if stream.recorder is None else stream.recorder.to_builtins(),
        "error": None if stream.error is None else str(stream.error),
    }


def _sink(item: OpenSink) -> dict[str, Any]:
    status = {"outbox": dict(item.sink.status())} if isinstance(item.sink, HoldingSink) else {}
    return {**item.account.to_builtins(), **status}


def _stage(stage: PlannedStage) -> dict[str, Any]:
    plain: dict[str, Any] = {"provider": stage.provider, **stage.account.to_builtins()}
    if stage.evidence is not None:
        plain["evidence"] = stage.evidence.account.to_builtins()
    if stage.model is None:
        return plain
    manifest = stage.model.bundle.manifest
    plain["bundle"] = f"{manifest.name} {manifest.version}"
    plain["signature"] = str(stage.model.bundle.signature)
    plain["variant"] = stage.model.candidate.variant
    plain["fallbacks"] = list(stage.model.fallbacks)
    plain["proof"] = stage.model.standing.to_builtins()
    plain["graphs"] = {
        graph.name: {
            "backend": graph.session.backend,
            "device": graph.session.device,
            "execution_precision": graph.session.execution_precision,
            "placement": graph.session.placement,
        }
        for graph in stage.model.graphs
    }
    return plain
