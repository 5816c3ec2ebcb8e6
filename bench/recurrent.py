"""What streaming saves: one step of a recurrent model against its whole clip again for every frame, and the steps of
several streams as one batch against one by one. Raw sessions on one thread; both forms are exports of one network."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.figures import Figure, Outcome
from bench.options import Options
from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.rounds import Series, interleave
from vedette.bundle.manifest import Graph
from vedette.inference import infer
from vedette.registry import load_plugins
from vedette.specs import BackendSpec, Execution, ModelFiles, Session

if TYPE_CHECKING:
    from vedette_rnn.recipes.sequence import Form

RECIPE = "clip_gru"
LABELS = ("yes", "no")
NETWORKS = (((96, 72), 16), ((224, 168), 32))
"""Size of the picture and channels: the recipe's own, and one with twenty times as much to do."""
BACKENDS = ("onnxruntime", "openvino")
STREAMS = 8
SAVING, BATCHING = 8.0, 1.5
NEEDS = "needs vedette-rnn and torch, to export the network: make setup-server"
NOTE = (
    "raw sessions on one thread, f32, without decoding and preprocessing; the network is clip_gru with fresh weights, "
    "its clip of 16 frames; batched: 8 streams in one request, against 8 requests"
)


def run(options: Options) -> Outcome:
    """Both comparisons, on every backend."""
    if find_spec("torch") is None or find_spec("vedette_rnn") is None:
        return Outcome(skipped=NEEDS)
    registry = load_plugins()
    figures: list[Figure] = []
    for (size_wh, width), name in itertools.product(NETWORKS, BACKENDS):
        recipe = registry.recipes[RECIPE].build()
        settings = recipe.settings_type(size_wh=size_wh, width=width)
        with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder, ExitStack() as stack:
            recipe.write(recipe.network(settings, LABELS).eval(), settings, LABELS, Path(folder))
            clip, stream = (recipe.form(settings, LABELS, form) for form in ("clip", "stream"))
            opened = _Opener(stack, registry.backends[name], Path(folder))
            works = {
                "clip": _clip_again(opened, clip),
                "step": _steps(opened, stream, batch=1, requests=1),
                "one by one": _steps(opened, stream, batch=1, requests=STREAMS),
                "one batch": _steps(opened, stream, batch=STREAMS, requests=1),
            }
            contestants = {work: _repeated(once, options.seconds) for work, once in works.items()}
            series = interleave(contestants, options.rounds, options.say, options.attempts)
        subject = f"{name}, {size_wh[0]}x{size_wh[1]}, {width} wide"
        figures += _figures(subject, name, series, clip.temporal.window)
    return Outcome(figures=figures, notes=[NOTE])


def _figures(subject: str, backend: str, series: Mapping[str, Series], window: int) -> list[Figure]:
    clip, step, single, batch = (series[name] for name in ("clip", "step", "one by one", "one batch"))
    plain = {f"processor time of the clip of {window}": clip, "processor time of a step": step}
    return [
        *(
            Figure(
                subject=subject,
                name=name,
                value=found.cpu_ms,
                unit="ms",
                better="lower",
                contended=found.contended,
            )
            for name, found in plain.items()
        ),
        Figure(
            subject=subject,
            name=f"step against clip of {window} again, processor time",
            value=clip.cpu_ms / step.cpu_ms,
            unit="x less",
            target=SAVING,
            contended=clip.contended + step.contended,
        ),
        Figure(
            subject=subject,
            name=f"{STREAMS} streams as one batch, throughput",
            value=batch.per_round(single),
            unit="x",
            target=BATCHING if backend == "openvino" else None,
            contended=single.contended + batch.contended,
        ),
        Figure(
            subject=subject,
            name=f"{STREAMS} streams as one batch, processor time",
            value=single.cpu_ms / batch.cpu_ms,
            unit="x less",
            contended=single.contended + batch.contended,
        ),
    ]


class _Opener:
    """Opens the graphs of a form; they stay open as long as ``stack``."""

    def __init__(self, stack: ExitStack, backend: BackendSpec, folder: Path) -> None:
        self._stack, self._backend, self._folder = stack, backend, folder

    def __call__(self, file: str, batch: int) -> Session:
        files = ModelFiles(format="onnx", paths=(self._folder / file,))
        return self._stack.enter_context(
            closing(self._backend.open(files, "cpu", Execution(batch=batch, threads=1), {}))
        )


def _clip_again(opened: _Opener, form: Form) -> Callable[[], int]:
    """The whole clip, for one more frame."""
    ((name, graph),) = form.graphs.items()
    session = opened(form.files[name], 1)
    feeds = {key: _noise((1, *item.shape[1:])) for key, item in graph.inputs.items()}

    def once() -> int:
        infer(session, feeds)
        return 1

    return once


def _steps(opened: _Opener, form: Form, *, batch: int, requests: int) -> Callable[[], int]:
    """One frame of each of ``batch * requests`` streams: the graphs in turn, with the state that they left."""
    graphs = form.graphs
    sessions = {name: opened(form.files[name], batch) for name in graphs}
    state = [
        {
            name: {pair.input: _zero(graph, pair.input, batch) for pair in graph.state}
            for name, graph in graphs.items()
        }
        for _ in range(requests)
    ]
    frame = _noise((batch, *next(iter(next(iter(graphs.values())).inputs.values())).shape[1:]))

    def once() -> int:
        for own in state:
            tensors: dict[str, np.ndarray] = {}
            for name, graph in graphs.items():
                feeds = {
                    key: own[name].get(key, tensors.get(getattr(item.feed, "output", ""), frame))
                    for key, item in graph.inputs.items()
                }
                tensors |= infer(sessions[name], feeds)
                own[name] = {pair.input: tensors[pair.output] for pair in graph.state}
        return batch * requests

    return once


def _repeated(once: Callable[[], int], seconds: float) -> Callable[[], Sample]:
    def work() -> int:
        end, frames = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            frames += once()
        return frames

    once()
    return lambda: timed(work)


def _noise(shape: tuple[int | None, ...]) -> np.ndarray:
    return np.random.default_rng(0).random([size or 1 for size in shape], np.float32)


def _zero(graph: Graph, name: str, batch: int) -> np.ndarray:
    return np.zeros([batch, *(size or 1 for size in graph.inputs[name].shape[1:])], np.float32)
