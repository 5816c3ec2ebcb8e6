"""A model's sessions with nothing around them: the fastest that the runtime can be here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from queue import SimpleQueue

from vedette.bundle.manifest import ResultFeed
from vedette.errors import BundleError
from vedette.frame import Pixels
from vedette.inference import infer
from vedette.model.feeds import Row, still
from vedette.model.loading import LoadedGraph, LoadedModel
from vedette.specs import Roi, Slot, Tensor, Tensors

Shapes = Mapping[str, tuple[int, ...]] | None


class RawRuntime:
    """Keeps every slot in flight, with inputs that were filled once and outputs that nobody looks at.

    A frame is one run of each graph, one after the other, as the bundle's program says.

    Parameters
    ----------
    model
        Its sessions are used past the pool that it was opened in: nobody else may use them meanwhile.
    picture
        What the inputs are filled from.
    rows
        Rows of each request, at most as many as the model was opened for.

    Raises
    ------
    BundleError
        An input comes from the result of another model.
    """

    def __init__(self, model: LoadedModel, picture: Pixels, rows: int = 1) -> None:
        self._graphs = model.graphs
        for name, declared in model.bundle.manifest.graphs.items():
            if any(isinstance(item.feed, ResultFeed) for item in declared.inputs.values()):
                raise BundleError(
                    f"bundle {model.bundle.manifest.name!r}: graph {name!r} is fed from the result of another stage, "
                    "so it cannot be measured alone",
                    fix="run its pipeline with `vedette run --summary`, which has the times of each stage",
                )
        self._shapes: list[Shapes] = []
        frame = still(picture)
        tensors: dict[str, Tensors] = {}
        for graph in self._graphs:
            row = Row(frame=frame, roi=Roi.whole(frame.size_wh), index=0, tensors=tensors)
            row.state = graph.initial_state()
            self._shapes.append(graph.shapes(row, rows))
            tensors[graph.name] = self._fill(graph, self._shapes[-1], row, rows)

    def run(self, seconds: float) -> int:
        """Run for so long, and until nothing is in flight any more; the number of requests."""
        done: SimpleQueue[tuple[int, Slot, Exception | None]] = SimpleQueue()
        frames, failure = 0, None
        in_flight = min(graph.session.slots for graph in self._graphs)
        for _ in range(in_flight):
            self._start(0, done)
        end = time.perf_counter() + seconds
        while in_flight:
            position, slot, error = done.get()
            slot.release()
            failure = failure or error
            position += 1
            if position == len(self._graphs):
                frames += 1
                position = 0
            if failure is None and (position or time.perf_counter() < end):
                self._start(position, done)
            else:
                in_flight -= 1
        if failure is not None:
            raise failure
        return frames

    def _start(self, position: int, done: SimpleQueue[tuple[int, Slot, Exception | None]]) -> None:
        slot = self._graphs[position].session.acquire(self._shapes[position])
        assert slot is not None, "somebody else uses the session"
        slot.submit(lambda slot, error: done.put((position, slot, error)))

    @staticmethod
    def _fill(graph: LoadedGraph, shapes: Shapes, row: Row, rows: int) -> dict[str, Tensor]:
        """Fill the inputs of every slot; what the graph answers."""
        slots = []
        while (slot := graph.session.acquire(shapes)) is not None:
            slots.append(slot)
        for slot in slots:
            for at in range(rows):
                graph.fill(slot.inputs, at, row)
        feeds = {name: array.copy() for name, array in slots[0].inputs.items()}
        for slot in slots:
            slot.release()
        return infer(graph.session, feeds)
