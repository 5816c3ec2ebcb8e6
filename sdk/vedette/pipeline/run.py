"""Pipeline: run a plan over its streams until they end, or until told to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from vedette.decoding import image_decoder
from vedette.errors import BackendError, ConfigError, PipelineError, StageError
from vedette.model.pool import SessionPool
from vedette.pipeline.checkpoint import StateStore
from vedette.pipeline.config import Config, Stream, load_config, parse_config
from vedette.pipeline.plan import Plan, Surroundings, build_plan
from vedette.pipeline.recorded import record
from vedette.pipeline.resuming import Resuming
from vedette.pipeline.sinks import OpenSink, close_sinks, flush_sinks
from vedette.pipeline.sources import open_source
from vedette.pipeline.stream import StreamRun
from vedette.pipeline.summary import Summary, summarise
from vedette.pipeline.workers import Workers
from vedette.registry import Registry, load_plugins
from vedette.specs import Candidate, Observer, SourceInfo

log = logging.getLogger("vedette.pipeline")

Progress = Callable[[Summary], None]


class Pipeline:
    """Cameras through models to sinks.

    Building one resolves every name and opens every model, source and sink, or raises and leaves nothing open.

    >>> with Pipeline.from_toml("door.toml") as pipeline:  # doctest: +SKIP
    ...     summary = pipeline.run()

    Parameters
    ----------
    config
        See :class:`vedette.pipeline.config.Config`.
    registry
        Plugins to use; default: all that are installed.
    pool
        Sessions and the thread budget, to share them between pipelines of one process.
    base_dir
        Folder that relative paths of the configuration count from.
    """

    def __init__(
        self,
        config: Config,
        *,
        registry: Registry | None = None,
        pool: SessionPool | None = None,
        base_dir: Path | str = ".",
    ) -> None:
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._fatal: Exception | None = None
        self._failed: dict[str, frozenset[Candidate]] = {}
        self._retired: list[OpenSink] = []
        self._started_s: float | None = None
        self._closed = False
        registry = registry or load_plugins()
        threads = config.threads or len(os.sched_getaffinity(0))
        self._pool = pool or SessionPool(threads)
        self._workers = Workers(threads, self._crash)
        self._around = Surroundings(
            registry=registry,
            pool=self._pool,
            workers=self._workers,
            decode=image_decoder(registry),
            base_dir=Path(base_dir),
            on_failure=self._on_failure,
        )
        self._states: StateStore | None = None
        self._plan = build_plan(config, self._around)
        self._streams: dict[str, StreamRun] = {}
        try:
            if config.state is not None:
                folder = self._around.base_dir / config.state.path
                self._states = StateStore(folder, config.name, config.state.unusable, self._flush_sinks)
            for index, stream in enumerate(config.stream):
                self._streams[stream.name] = self._open_stream(
                    stream, f"stream[{index}] ({stream.name})", threads
                )
        except BaseException:
            self.close()
            raise

    @classmethod
    def from_toml(cls, path: Path | str, **options: Any) -> Self:
        """From a file; relative paths in it count from its folder."""
        path = Path(path)
        return cls(load_config(path), base_dir=path.parent, **options)

    @classmethod
    def from_dict(cls, plain: dict[str, Any], **options: Any) -> Self:
        """From plain dictionaries with the same schema as the file."""
        return cls(parse_config(plain), **options)

    @property
    def plan(self) -> Plan:
        """The plan that new frames follow."""
        return self._plan

    def observe(self, observer: Observer) -> None:
        """Have ``observer(packet)`` called with each finished packet, in order per stream."""
        self._around.observers.append(observer)

    def run(self, progress: Progress | None = None, interval_s: float = 0.5) -> Summary:
        """Run until every stream has ended; a pipeline runs once.

        On Ctrl-C admission stops, what is in flight finishes, sinks are completed, and KeyboardInterrupt is raised
        again; the summary is then had from :meth:`summary`.

        Raises
        ------
        PipelineError
            A stage or sink with ``on_error = "stop"`` failed, or a stream ended with an error and no other is left.
        """
        if self._started_s is not None:
            raise PipelineError("this pipeline has run already", fix="make a new one")
        self._start()
        try:
            while not self._finished.wait(interval_s):
                if progress is not None:
                    progress(self.summary())
        except BaseException:
            self.stop()
            self._finished.wait()
            raise
        finally:
            self.close()
            if progress is not None:
                progress(self.summary())
        if self._fatal is not None:
            raise self._fatal
        return self.summary()

    def stop(self) -> None:
        """Admit no more frames; what is in flight finishes. From any thread."""
        for stream in self._streams.values():
            stream.stop()

    def swap(self, config: Config) -> None:
        """Go over to another configuration while running, each stream between two packets.

        The streams themselves must be the same. Packets in flight finish on the old plan; state goes on where the stage
        is the same. An error leaves the running plan as it is.
        """
        with self._lock:
            self._swap(config)

    def summary(self) -> Summary:
        """Counts, times, devices and precisions up to now."""
        elapsed_s = 0.0 if self._started_s is None else time.monotonic() - self._started_s
        sinks = (*self._plan.sinks, *(item for item in self._retired if item not in self._plan.sinks))
        return summarise(self._plan, self._streams, sinks, self._around.observer_account, elapsed_s)

    def close(self) -> None:
        """Release everything. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for stream in self._streams.values():
            stream.abort()
        if self._started_s is None:
            for stream in self._streams.values():
                stream.discard()
        elif not self._finished.is_set():
            self._finished.wait()
        self._workers.stop()
        if self._states is not None:
            self._states.close()
        sinks = (*self._plan.sinks, *self._retired)
        errors = close_sinks(
            tuple(dict.fromkeys(sinks)), completed=self._started_s is not None and self._fatal is None
        )
        self._fatal = self._fatal or (errors[0] if errors else None)
        self._plan.close()
        self._around.registry.pipeline_closed(self, self._fatal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush_sinks(self) -> None:
        flush_sinks((*self._plan.sinks, *self._retired))

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._workers.start()
        for name in self._streams:
            for stepper in self._plan.steppers(name):
                stepper.join(name)
        for name, stream in self._streams.items():
            stream.start(self._plan.programs[name])

    def _open_stream(self, config: Stream, where: str, threads: int) -> StreamRun:
        opened = record(open_source(self._around.registry, config, self._around.base_dir, where), config)
        limit = config.in_flight or 2 * threads + 2
        try:
            resuming = self._resuming(config, opened.source.info)
        except BaseException:
            opened.source.close()
            raise
        return StreamRun(config, opened, self._workers, self._around.decode, limit, self._ended, resuming)

    def _resuming(self, config: Stream, info: SourceInfo) -> Resuming | None:
        wanted = self._plan.config.state
        if self._states is None or wanted is None:
            return None
        return Resuming(self._states, config, info, wanted.every_s)

    def _ended(self, stream: StreamRun) -> None:
        for stepper in self._plan.steppers(stream.name):
            stepper.leave(stream.name)
        if all(item.ended for item in self._streams.values()):
            errors = [item.error for item in self._streams.values() if item.error is not None]
            if errors and len(errors) == len(self._streams):
                self._fatal = self._fatal or errors[0]
            self._finished.set()

    def _on_failure(self, name: str, policy: Literal["skip", "fallback", "stop"], error: Exception) -> None:
        if policy == "stop":
            self._crash(error)
        elif (
            policy == "fallback"
            and isinstance(error, StageError)
            and isinstance(error.__cause__, BackendError)
        ):
            threading.Thread(
                target=self._fail_over, args=(name,), name="vedette-failover", daemon=True
            ).start()

    def _crash(self, error: Exception) -> None:
        """End the run with ``error``: the first one counts."""
        self._fatal = self._fatal or error
        for stream in self._streams.values():
            stream.abort()

    def _fail_over(self, stage: str) -> None:
        """Build a plan without the candidate that failed and go over to it."""
        with self._lock:
            model = self._plan.stages[stage].model
            assert model is not None
            before = self._failed.get(stage, frozenset())
            if self._closed or model.candidate in before:
                return
            self._failed[stage] = before | {model.candidate}
            try:
                self._swap(self._plan.config)
            except Exception as error:
                log.error("stage %r: no other candidate can take over: %s", stage, error)
                return
        log.warning("stage %r: moved from %s to %s", stage, model.candidate, self._plan.stages[stage].model)

    def _swap(self, config: Config) -> None:
        old = self._plan
        if (config.stream, config.state) != (old.config.stream, old.config.state):
            raise ConfigError(
                "swap: the streams, and where their state is saved, must stay the same",
                fix="start another pipeline for other streams",
            )
        new = build_plan(config, self._around, before=old, without=self._failed)
        self._plan = new
        self._retired += [item for item in old.sinks if item not in new.sinks]
        remaining = [len(self._streams)]
        guard = threading.Lock()

        def moved(name: str) -> None:
            for stepper in old.steppers(name):
                stepper.leave(name)
            for stepper in new.steppers(name):
                stepper.join(name)
            with guard:
                remaining[0] -= 1
                last = remaining[0] == 0
            if last:
                old.close()

        for name, stream in self._streams.items():
            stream.switch(new.programs[name], lambda name=name: moved(name))  # type: ignore[misc]
