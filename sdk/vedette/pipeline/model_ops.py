"""Operations of a model stage: one per graph of its program, then one that decodes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vedette.errors import PipelineError, PluginError
from vedette.model.feeds import Row
from vedette.model.loading import LoadedGraph, LoadedModel, used_rows
from vedette.model.pool import Lease
from vedette.packet import Ran
from vedette.pipeline.graph import BOXES
from vedette.pipeline.moments import moment_of
from vedette.pipeline.stage_ops import StageRules
from vedette.pipeline.token import Token
from vedette.results import ClipPrediction, Detections, Result
from vedette.specs import Affine, Placed, Roi, Slot, Tensor


@dataclass(slots=True, eq=False)
class Chunk:
    """Rows ``first`` up to ``first + rows`` of a packet, and the request that has ended with them."""

    slot: Slot
    first: int
    rows: int
    infer_ns: int
    error: Exception | None


@dataclass(slots=True, eq=False)
class ModelRun:
    """One model on one packet: its rows, what the graphs gave so far, and the requests in flight.

    ``clips``: the samples that a graph with clips is fed, per row and input. ``windows_ns (rows, 2)``: the first and
    the latest sample that each row's answer rests on. ``picked``: of what the model was to look at, the rows that are
    left.
    """

    source: str
    rois: list[Roi]
    results: Mapping[str, Result]
    affines: NDArray[np.float64]
    tensors: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    next_row: int = 0
    in_flight: int = 0
    finished: deque[Chunk] = field(default_factory=deque)
    pieces: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    error: Exception | None = None
    held: tuple[Lease, Slot] | None = None
    clips: list[Mapping[str, Sequence[Tensor]]] = field(default_factory=list)
    windows_ns: NDArray[np.int64] | None = None
    picked: NDArray[np.int32] | None = None

    @property
    def rows(self) -> int:
        return len(self.rois)

    def pick(self, rows: list[int]) -> None:
        """Go on with some of the rows only."""
        if len(rows) == self.rows:
            return
        at = np.array(rows, np.intp)
        self.results = {
            role: result.select(at) if len(result) == self.rows else result
            for role, result in self.results.items()
        }
        self.tensors = {
            graph: {name: array[at] for name, array in outputs.items()}
            for graph, outputs in self.tensors.items()
        }
        self.rois = [self.rois[row] for row in rows]
        self.affines = self.affines[at]
        self.picked = at.astype(np.int32)

    def row(self, token: Token, index: int) -> Row:
        return Row(
            frame=token.packet.frame,
            roi=self.rois[index],
            index=index,
            results=self.results,
            tensors=self.tensors,
            clips=self.clips[index] if self.clips else {},
        )

    def keep_affine(self, index: int, affine: Affine | None) -> None:
        if affine is not None:
            self.affines[index] = affine


class ModelOp:
    """What the operations of one model stage share: how it begins and how it fails."""

    def __init__(self, rules: StageRules, model: LoadedModel) -> None:
        self.rules = rules
        self.model = model

    def run(self, token: Token) -> bool:
        if self.rules.name in token.packet.outcome:
            return True
        run = token.scratch.get(self.rules.name)
        try:
            if run is None:
                run = self._begin(token)
                if run is None:
                    return True
            return self.advance(token, run)
        except Exception as error:
            if run is not None and run.held is not None:
                held, run.held = run.held, None
                self.model.pool.release(*held)
            token.scratch.pop(self.rules.name, None)
            self.rules.fail(token, error)
            return True

    def advance(self, token: Token, run: ModelRun) -> bool:
        """The operation's own part, as :meth:`vedette.pipeline.token.Op.run`."""
        raise NotImplementedError

    def _begin(self, token: Token) -> ModelRun | None:
        results = self.rules.inputs(token)
        if results is None:
            return None
        frame = token.packet.frame
        boxes = results.get(BOXES)
        if isinstance(boxes, Detections):
            rois = rois_of(boxes)
            source = self.rules.takes[BOXES]
        else:
            count = max((len(result) for result in results.values()), default=1)
            rois = [Roi.whole(frame.size_wh)] * count
            source = next(iter(self.rules.takes.values()), "frame")
        if not rois:
            empty = self.model.parts.postprocess.result.empty(self.model.bundle.labels)
            self.rules.settle(token, Ran(replace(empty, source=source)))
            return None
        affines = np.array([roi.affine for roi in rois])
        run = ModelRun(source=source, rois=rois, results=results, affines=affines)
        token.scratch[self.rules.name] = run
        return run


class GraphOp(ModelOp):
    """Runs a graph without state on all rows of a packet, in requests of at most the session's batch.

    ``hold``: the decoder follows at once, and may read the outputs where they are, in the request.
    """

    def __init__(self, rules: StageRules, model: LoadedModel, graph: LoadedGraph, *, hold: bool) -> None:
        super().__init__(rules, model)
        self._graph = graph
        self._hold = hold

    def advance(self, token: Token, run: ModelRun) -> bool:
        while True:
            while run.finished:
                self._collect(run, run.finished.popleft())
            if run.error is None and run.next_row < run.rows and self._start(token, run):
                continue
            if run.in_flight or (run.error is None and run.next_row < run.rows):
                return False
            if run.error is not None:
                self.model.pool.forget(token)
                raise run.error
            self._join(run)
            return True

    def _start(self, token: Token, run: ModelRun) -> bool:
        """Submit the next chunk; ``False`` if there is no slot for it now."""
        graph, first = self._graph, run.next_row
        rows = min(graph.batch, run.rows - first)
        slot = self.model.pool.acquire(graph.lease, token, graph.shapes(run.row(token, first), rows))
        if slot is None:
            return False
        started = time.perf_counter_ns()
        try:
            inputs = slot.inputs
            for at in range(rows):
                run.keep_affine(first + at, graph.fill(inputs, at, run.row(token, first + at)))
            submitted = time.perf_counter_ns()
            self.rules.account.time("preprocess", submitted - started, rows)
            run.next_row += rows
            run.in_flight += 1
            slot.submit(_finisher(token, run, first, rows))
        except Exception as error:
            if run.next_row > first:
                run.in_flight -= 1
            self.model.pool.release(graph.lease, slot)
            run.error = error
        return True

    def _collect(self, run: ModelRun, chunk: Chunk) -> None:
        run.in_flight -= 1
        self.rules.account.time("infer", chunk.infer_ns, chunk.rows)
        if chunk.error is not None:
            run.error = run.error or chunk.error
            self.model.pool.release(self._graph.lease, chunk.slot)
            return
        outputs = chunk.slot.outputs
        if self._hold and chunk.rows == run.rows and run.error is None:
            run.held = (self._graph.lease, chunk.slot)
            run.pieces[chunk.first] = {
                name: used_rows(array, chunk.rows, self._graph.batch) for name, array in outputs.items()
            }
            return
        run.pieces[chunk.first] = {
            name: used_rows(array, chunk.rows, self._graph.batch).copy() for name, array in outputs.items()
        }
        self.model.pool.release(self._graph.lease, chunk.slot)

    def _join(self, run: ModelRun) -> None:
        pieces = [run.pieces[first] for first in sorted(run.pieces)]
        run.tensors[self._graph.name] = (
            pieces[0]
            if len(pieces) == 1
            else {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        )
        run.pieces.clear()
        run.next_row = 0


class DecodeOp(ModelOp):
    """Turns the last graph's outputs into the stage's result."""

    def advance(self, token: Token, run: ModelRun) -> bool:
        started = time.perf_counter_ns()
        outputs = run.tensors[self.model.graphs[-1].name]
        result = self.model.postprocess(outputs, run.affines, token.packet.frame.size_wh).owned()
        if isinstance(result, ClipPrediction):
            windows = run.windows_ns
            if windows is None:
                windows = np.full((run.rows, 2), moment_of(token, self.rules.name).time_ns, np.int64)
            result = replace(result, window_ns=windows[result.source_row])
        if run.picked is not None:
            result = replace(result, source_row=run.picked[result.source_row])
        if result.source != run.source:
            result = replace(result, source=run.source)
        self.rules.account.time("postprocess", time.perf_counter_ns() - started, run.rows)
        if run.held is not None:
            held, run.held = run.held, None
            self.model.pool.release(*held)
        del token.scratch[self.rules.name]
        self.rules.settle(token, Ran(result))
        return True


def keys_of(run: ModelRun) -> list[int | None]:
    """Whose state each row belongs to: a track's, or the whole stream's."""
    boxes = run.results.get(BOXES)
    tracks: NDArray[np.int64] | None = boxes.track_id if isinstance(boxes, Detections) else None
    if tracks is not None:
        return [int(track) for track in tracks]
    if run.rows > 1:
        raise PluginError(
            "a recurrent model was given several rows that have no track_id",
            fix="put a tracker in front of it, so that each row keeps its own state",
        )
    return [None]


def _finisher(token: Token, run: ModelRun, first: int, rows: int) -> Callable[[Slot, Exception | None], None]:
    """What a slot calls when it is done. Refers to no slot: one that keeps it would keep itself, and the frame, alive
    until the garbage collector comes by."""
    started = time.perf_counter_ns()

    def done(slot: Slot, error: Exception | None) -> None:
        run.finished.append(Chunk(slot, first, rows, time.perf_counter_ns() - started, error))
        token.wake()

    return done


def rois_of(boxes: Detections) -> list[Roi]:
    """Where a model looks: where the rows say, else in their boxes."""
    if isinstance(boxes, Placed):
        return list(boxes.rois())
    return [Roi.box(at_least_a_pixel(box)) for box in boxes.xyxy]


def at_least_a_pixel(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes thinner than a pixel grow to one about their centre: a crop needs pixels."""
    x0, y0, x1, y1 = xyxy
    grow_x, grow_y = max(0.0, 1.0 - (x1 - x0)) / 2, max(0.0, 1.0 - (y1 - y0)) / 2
    if not (grow_x or grow_y):
        return xyxy
    if not np.isfinite(xyxy).all():
        raise PipelineError(f"a box to look at is not finite: {xyxy.tolist()}")
    return np.array([x0 - grow_x, y0 - grow_y, x1 + grow_x, y1 + grow_y], np.float32)
