"""Open the source of a stream: find who reads it, isolate it, and have it opened again when it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vedette.errors import ConfigError, SourceError
from vedette.frame import Decode
from vedette.manager import BUILTIN
from vedette.pipeline.config import Isolate, Reopen, Stream
from vedette.pipeline.outages import Outages
from vedette.pipeline.reopen import Open, ReopenedSource
from vedette.recording.recorder import Recorder
from vedette.registry import Registry
from vedette.secrets import redacted
from vedette.specs import Source, SourceSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedSource:
    """What a stream reads from.

    Attributes
    ----------
    provider
        The plugin, distribution and version it comes from.
    waits
        ``read`` may wait, and is called from a thread of its own; else a worker calls it.
    decode
        Decodes its compressed images, in place of the pipeline's decoder.
    recorder
        What is told of each image and its fate, where the stream is recorded.
    """

    source: Source
    provider: str
    waits: bool = False
    decode: Decode | None = None
    outages: Outages = field(default_factory=Outages)
    recorder: Recorder | None = None


def open_source(registry: Registry, stream: Stream, base_dir: Path, where: str) -> OpenedSource:
    """Open the source of ``stream``; a path in it counts from ``base_dir``.

    Raises
    ------
    ConfigError
        No plugin reads it, or its parameters are wrong. ``where`` is the beginning of the path in the message.
    SourceError
        It cannot be opened, and is not to be tried again.
    """
    spec = find_source(registry, stream, where)
    params = registry.convert_params(spec, stream.params, f"{where}.params")
    provider = str(registry.provider(spec))
    if stream.isolate:
        return _isolated(registry, spec, stream, base_dir, provider, where)
    return _reopened(stream, partial(spec.open, _address(stream, base_dir), params), provider)


def find_source(registry: Registry, config: Stream, where: str) -> SourceSpec:
    """The source plugin that reads ``config.source`` best."""
    if config.use is not None:
        return registry.sources[config.use]
    scored = ((item.matches(config.source), item) for item in registry.sources.values())
    score, spec = max(scored, key=lambda found: found[0], default=(0, None))
    if spec is None or score <= 0:
        raise ConfigError(
            f"{where}.source: no plugin reads {redacted(config.source)!r}",
            fix="install a source plugin (pip install vedette-video), or name one with use = ...",
        )
    return spec


def _address(stream: Stream, base_dir: Path) -> str:
    uri = stream.source
    return uri if "://" in uri or Path(uri).is_absolute() else str(base_dir / uri)


def _isolated(
    registry: Registry, spec: SourceSpec, stream: Stream, base_dir: Path, provider: str, where: str
) -> OpenedSource:
    if sys.platform != "linux":
        raise ConfigError(f"{where}.isolate: sources can be isolated on Linux only")
    from vedette.isolation.source import Isolation, refuse_to_decode

    isolation = Isolation(
        f"isolated source of stream {stream.name!r}",
        _named_modules(registry),
        spec.name,
        _address(stream, base_dir),
        stream.params,
        stream.isolate if isinstance(stream.isolate, Isolate) else Isolate(),
    )
    try:
        opened = _reopened(stream, isolation.open, provider, isolation.close)
    except BaseException:
        isolation.close()
        raise
    return replace(opened, decode=refuse_to_decode)


def _named_modules(registry: Registry) -> tuple[str, ...]:
    """Plugins that are in use because somebody named their modules, not because they are installed."""
    return tuple(
        state.module
        for state in registry.manager.active()
        if state.distribution is None and state.name != BUILTIN
    )


def _reopened(
    stream: Stream, open: Open, provider: str, release: Callable[[], None] | None = None
) -> OpenedSource:
    """Opened according to the policy; ``release`` lets go of what ``open`` keeps between openings."""
    policy = stream.reopen
    try:
        first: Source | SourceError = open()
    except SourceError as error:
        if not (isinstance(policy, Reopen) and policy.at_start):
            raise
        first = error
    if policy is None and not isinstance(first, SourceError) and first.info.live:
        policy = Reopen()
    if not isinstance(policy, Reopen):
        assert not isinstance(first, SourceError)
        if release is None:
            return OpenedSource(source=first, provider=provider)
        policy = Reopen(times=0)
    outages = Outages()
    source = ReopenedSource(
        stream.name, first, open, policy, provider, outages, release=release or (lambda: None)
    )
    return OpenedSource(source=source, provider=provider, waits=True, outages=outages)
