"""Recurrent graphs: one row per stream (and track), gathered into batches over streams, state kept per key.

State is plain arrays per ``(stream, generation, track)``; it is handed in with the row, and committed when the row
succeeded. A batch never holds two rows of one key: the lane of a stream lets one packet step at a time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vedette.errors import PluginError
from vedette.events import Event
from vedette.model.feeds import Row
from vedette.model.loading import LoadedGraph, LoadedModel
from vedette.pipeline.model_ops import ModelOp, ModelRun, keys_of
from vedette.pipeline.moments import moment_of
from vedette.pipeline.stage_ops import StageRules
from vedette.pipeline.state import Kept, pack, unpack
from vedette.pipeline.token import Token
from vedette.pipeline.workers import Task, Workers
from vedette.specs import Affine, Slot, Tensor

Key = int | None
"""A track's id, or ``None`` for the whole stream."""


@dataclass(slots=True, eq=False)
class Memory:
    """The state of one key, and the capture times of the first and the latest sample that it is made of."""

    key: Key
    arrays: dict[str, np.ndarray[Any, Any]]
    first_ns: int
    last_ns: int


@dataclass(slots=True, eq=False)
class StepRow:
    """One row on its way through a batch."""

    token: Token
    row: Row
    key: Key
    joined_s: float
    outputs: dict[str, Tensor] | None = None
    affine: Affine | None = None
    error: Exception | None = None


Batch = tuple[Slot, list[StepRow], Exception | None]
"""A request that has ended, its rows, its error. Rows whose input could not be written keep their error and place."""


class Stepper(Task):
    """Gathers the rows of several streams for one session.

    A batch is dispatched when it is full, when its first row has waited ``max_wait_s``, or when every stream that
    could still add to it is waiting already.
    """

    def __init__(self, workers: Workers, model: LoadedModel, graph: LoadedGraph, max_wait_s: float) -> None:
        super().__init__(workers)
        self._model = model
        self._graph = graph
        self._max_wait_s = max_wait_s
        self._lock = threading.Lock()
        self._streams: set[str] = set()
        self._pending: deque[StepRow] = deque()
        self._finished: deque[Batch] = deque()

    def join(self, stream: str) -> None:
        """``stream`` may send rows from now on."""
        with self._lock:
            self._streams.add(stream)

    def leave(self, stream: str) -> None:
        """``stream`` has ended; nobody waits for it any more."""
        with self._lock:
            self._streams.discard(stream)
        self.wake()

    def submit(self, rows: list[StepRow]) -> None:
        with self._lock:
            self._pending.extend(rows)
        self.wake()

    def step(self) -> None:
        while self._finished:
            self._scatter(*self._finished.popleft())
        while self._due():
            if not self._dispatch():
                return

    def _due(self) -> bool:
        with self._lock:
            if not self._pending:
                return False
            waiting = {row.token.stream.name for row in self._pending}
            if len(self._pending) >= self._graph.batch or waiting >= self._streams:
                return True
            deadline = self._pending[0].joined_s + self._max_wait_s
        if time.monotonic() >= deadline:
            return True
        self.workers.wake_at(deadline, self)
        return False

    def _dispatch(self) -> bool:
        with self._lock:
            rows = list(self._pending)[: self._graph.batch]
        slot = self._model.pool.acquire(self._graph.lease, self, self._graph.shapes(rows[0].row, len(rows)))
        if slot is None:
            return False
        with self._lock:
            for _ in rows:
                self._pending.popleft()
        for at, item in enumerate(rows):
            try:
                item.affine = self._graph.fill(slot.inputs, at, item.row)
            except Exception as error:
                item.error = error
                for array in slot.inputs.values():
                    array[at] = 0
        try:
            slot.submit(lambda slot, error: self._done(slot, rows, error))
        except Exception as error:
            self._done(slot, rows, error)
        return True

    def _done(self, slot: Slot, rows: list[StepRow], error: Exception | None) -> None:
        self._finished.append((slot, rows, error))
        self.wake()

    def _scatter(self, slot: Slot, rows: list[StepRow], error: Exception | None) -> None:
        outputs = {} if error else slot.outputs
        for at, item in enumerate(rows):
            item.error = item.error or error
            if item.error is None:
                item.outputs = {name: array[at].copy() for name, array in outputs.items()}
        self._model.pool.release(self._graph.lease, slot)
        for token in {id(item.token): item.token for item in rows}.values():
            token.wake()


@dataclass(slots=True, eq=False)
class Pending:
    """The rows of one packet that are being stepped."""

    rows: list[StepRow] = field(default_factory=list)

    def ready(self) -> bool:
        return all(row.outputs is not None or row.error is not None for row in self.rows)


class StepOp(ModelOp):
    """Runs a graph with state: hands each row its state, waits for the batch, commits the new state."""

    def __init__(
        self, rules: StageRules, model: LoadedModel, graph: LoadedGraph, stepper: Stepper, signature: str
    ) -> None:
        super().__init__(rules, model)
        self._graph = graph
        self._stepper = stepper
        self._signature = signature
        temporal = model.bundle.manifest.temporal
        self._max_gap_ns = None if temporal is None else int(temporal.max_gap_ms * 1e6)

    def advance(self, token: Token, run: ModelRun) -> bool:
        place = f"{self.rules.name}/{self._graph.name}"
        moment = moment_of(token, self.rules.name)
        kept = token.stream.state.of(place, moment.generation, self._signature, self)
        pending = token.scratch.get(place)
        if pending is None:
            pending = token.scratch[place] = Pending(self._rows(token, run, kept.value, moment.time_ns))
            self._stepper.submit(pending.rows)
            return False
        if not pending.ready():
            return False
        del token.scratch[place]
        self._commit(run, kept.value, moment.time_ns, pending.rows)
        return True

    def start(self, stream: str) -> dict[Key, Memory]:
        return {}

    def save(self, value: dict[Key, Memory]) -> bytes:
        return pack(list(value.values()))

    def load(self, raw: bytes, shift_ns: int) -> dict[Key, Memory]:
        memories = unpack(raw, list[Memory])
        for item in memories:
            item.first_ns += shift_ns
            item.last_ns += shift_ns
        return {item.key: item for item in memories}

    def finish(self, stream: str, kept: Kept) -> list[Event]:
        return []

    def _rows(self, token: Token, run: ModelRun, memory: dict[Key, Memory], time_ns: int) -> list[StepRow]:
        now_s = time.monotonic()
        self.rules.forget(token.stream.name, memory, time_ns, self._max_gap_ns)
        rows = []
        for index, key in enumerate(keys_of(run)):
            row = run.row(token, index)
            known = memory.get(key)
            row.state = self._graph.initial_state() if known is None else known.arrays
            rows.append(StepRow(token, row, key, now_s))
        return rows

    def _commit(self, run: ModelRun, memory: dict[Key, Memory], time_ns: int, rows: list[StepRow]) -> None:
        for row in rows:
            if row.error is not None:
                raise row.error
        fresh = [self._next_state(row) for row in rows]
        windows = []
        for row, arrays in zip(rows, fresh, strict=True):
            known = memory.get(row.key)
            first_ns = time_ns if known is None else known.first_ns
            memory[row.key] = Memory(row.key, arrays, first_ns, time_ns)
            windows.append((first_ns, time_ns))
            run.keep_affine(row.row.index, row.affine)
        run.windows_ns = np.array(windows, np.int64)
        outputs = [row.outputs or {} for row in rows]
        run.tensors[self._graph.name] = {
            name: np.stack([item[name] for item in outputs]) for name in outputs[0]
        }

    def _next_state(self, row: StepRow) -> dict[str, Tensor]:
        outputs: Mapping[str, Tensor] = row.outputs or {}
        arrays = {pair.input: outputs[pair.output] for pair in self._graph.state}
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise PluginError(
                    f"the recurrent state {name!r} is no longer finite; it is kept as it was before"
                )
        return arrays
