"""Sinks of a pipeline: opened once, kept over a change of plan where their configuration stays."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from vedette.pipeline.accounting import SinkAccount
from vedette.pipeline.config import Sink as SinkConfig
from vedette.pipeline.faults import Health
from vedette.pipeline.order import Gate
from vedette.registry import Registry
from vedette.specs import FlushingSink, Sink, SinkSpec

log = logging.getLogger("vedette.pipeline")


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenSink:
    """An open sink with its counts; ``gate`` lets one packet in at a time, whatever its stream."""

    config: SinkConfig
    spec: SinkSpec
    sink: Sink
    account: SinkAccount
    health: Health
    gate: Gate


def open_sinks(
    wanted: tuple[SinkConfig, ...], registry: Registry, kept: tuple[OpenSink, ...] = ()
) -> tuple[OpenSink, ...]:
    """The sinks of a configuration, those of ``kept`` that are equal used again. On an error none stays newly open."""
    result: list[OpenSink] = []
    fresh: list[OpenSink] = []
    try:
        for index, config in enumerate(wanted):
            known = next((item for item in kept if item.config == config), None)
            if known is None:
                known = _open(config, registry, f"sink[{index}] ({config.title})")
                fresh.append(known)
            result.append(known)
    except BaseException:
        close_sinks(tuple(fresh), completed=False)
        raise
    return tuple(result)


def flush_sinks(sinks: tuple[OpenSink, ...]) -> None:
    """Return when what the sinks were given is on disk, of those that say so. Raises what they raise."""
    for item in sinks:
        if isinstance(item.sink, FlushingSink) and not item.health.quarantined(""):
            item.sink.flush()


def close_sinks(sinks: tuple[OpenSink, ...], *, completed: bool) -> list[Exception]:
    """Close all, whatever happens; ``completed`` says whether they saw everything. Returns what went wrong."""
    errors: list[Exception] = []
    for item in sinks:
        try:
            if completed:
                item.sink.close()
            else:
                item.sink.abort()
        except Exception as error:
            item.account.error(error)
            log.error("sink %r could not be finished: %s", item.config.title, error)
            errors.append(error)
    return errors


def _open(config: SinkConfig, registry: Registry, where: str) -> OpenSink:
    spec = registry.sinks[config.use]
    params = registry.convert_params(spec, config.params, f"{where}.params")
    return OpenSink(
        config=config,
        spec=spec,
        sink=spec.open(params),
        account=SinkAccount(),
        health=Health(f"sink {config.title!r}", config.quarantine_after),
        gate=Gate(),
    )
