"""Whole-clip models: the last samples are kept per stream (and track), and every so many of them make a clip."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.bundle.manifest import Temporal
from vedette.events import Event
from vedette.model.feeds import PreparedInput
from vedette.model.loading import LoadedGraph, LoadedModel
from vedette.packet import NotRun
from vedette.pipeline.model_ops import ModelOp, ModelRun, keys_of
from vedette.pipeline.moments import moment_of
from vedette.pipeline.stage_ops import StageRules
from vedette.pipeline.state import Kept, pack, unpack
from vedette.pipeline.token import Token
from vedette.specs import Tensor

log = logging.getLogger("vedette.pipeline")

Key = int | None


@dataclass(slots=True, eq=False)
class History:
    """The latest samples of one key, the oldest first: capture times, and the arrays by input. ``seen``: how many
    there were altogether."""

    key: Key
    seen: int
    times_ns: list[int]
    samples: dict[str, list[np.ndarray[Any, Any]]]

    @property
    def last_ns(self) -> int:
        return self.times_ns[-1]


class CollectOp(ModelOp):
    """Adds each packet's rows to their histories, and goes on with those whose clip is due. Ordered; the graph behind
    it is not."""

    def __init__(self, rules: StageRules, model: LoadedModel, graph: LoadedGraph, signature: str) -> None:
        super().__init__(rules, model)
        temporal = model.bundle.manifest.temporal
        assert temporal is not None
        self._temporal: Temporal = temporal
        self._max_gap_ns = int(temporal.max_gap_ms * 1e6)
        self._place = f"{rules.name}/{graph.name}"
        self._signature = signature
        self._inputs: tuple[PreparedInput, ...] = tuple(
            item.sample for item in graph.inputs if item.sample is not None
        )
        self._dtypes = {item.name: graph.session.inputs[item.name].dtype for item in self._inputs}

    def advance(self, token: Token, run: ModelRun) -> bool:
        moment = moment_of(token, self.rules.name)
        kept = token.stream.state.of(self._place, moment.generation, self._signature, self)
        histories: dict[Key, History] = kept.value
        self.rules.forget(token.stream.name, histories, moment.time_ns, self._max_gap_ns)
        keys = keys_of(run)
        samples = [self._sample(token, run, index) for index in range(run.rows)]
        for key, arrays in zip(keys, samples, strict=True):
            self._add(histories, key, moment.time_ns, arrays)
        due = [index for index, key in enumerate(keys) if self._due(histories[key])]
        if not due:
            del token.scratch[self.rules.name]
            self.rules.settle(token, NotRun("window"))
            return True
        run.pick(due)
        found = [histories[keys[index]] for index in due]
        run.clips = [{name: tuple(arrays) for name, arrays in item.samples.items()} for item in found]
        run.windows_ns = np.array([(item.times_ns[0], item.last_ns) for item in found], np.int64)
        return True

    def start(self, stream: str) -> dict[Key, History]:
        return {}

    def save(self, value: dict[Key, History]) -> bytes:
        return pack(list(value.values()))

    def load(self, raw: bytes, shift_ns: int) -> dict[Key, History]:
        histories = unpack(raw, list[History])
        for item in histories:
            item.times_ns = [time_ns + shift_ns for time_ns in item.times_ns]
        return {item.key: item for item in histories}

    def finish(self, stream: str, kept: Kept) -> list[Event]:
        """A clip that never came together is said, so that nobody takes its silence for an answer."""
        whole: History | None = kept.value.get(None)
        if whole is not None and whole.seen < self._temporal.window:
            self.rules.account.sampled("short", 1)
            log.warning(
                "stream %r, stage %r: not run: shorter than the window: %d of %d frames at %g Hz",
                stream, self.rules.name, whole.seen, self._temporal.window, self._temporal.rate_hz,
            )  # fmt: skip
        return []

    def _sample(self, token: Token, run: ModelRun, index: int) -> dict[str, Tensor]:
        row = run.row(token, index)
        arrays = {}
        for item in self._inputs:
            array = arrays[item.name] = np.empty(
                item.row_shape or item.shape_of(row), self._dtypes[item.name]
            )
            run.keep_affine(index, item.write(row, array))
        return arrays

    def _add(self, histories: dict[Key, History], key: Key, time_ns: int, arrays: dict[str, Tensor]) -> None:
        history = histories.get(key)
        if history is None:
            history = histories[key] = History(key, 0, [], {name: [] for name in arrays})
        history.seen += 1
        history.times_ns.append(time_ns)
        del history.times_ns[: -self._temporal.window]
        for name, array in arrays.items():
            history.samples[name].append(array)
            del history.samples[name][: -self._temporal.window]

    def _due(self, history: History) -> bool:
        beyond = history.seen - self._temporal.window
        return beyond >= 0 and beyond % self._temporal.stride == 0
