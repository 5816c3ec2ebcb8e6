"""Vedette as a worker: ``ours.py TASK``, where TASK is JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from protocol import serve

from vedette.benchmark.raw import RawRuntime
from vedette.bundle.bundle import open_bundle
from vedette.bundle.trust import Trust
from vedette.decoding import image_decoder
from vedette.frame import Packed
from vedette.model.candidates import Wanted
from vedette.model.loading import load_model
from vedette.model.pool import SessionPool
from vedette.model.single import Model
from vedette.packet import Packet
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry, load_plugins
from vedette.results import Classification, Detections, Result
from vedette.specs import Observer

CANDIDATE: dict[str, Any] = {"backend": "openvino", "device": "cpu", "precision": "f32", "proof": "off"}
UNCHECKED = Trust("off")


class InPipeline:
    """The pipeline: each run builds one, around sessions that stay open."""

    def __init__(self, task: dict[str, Any], registry: Registry) -> None:
        self._registry = registry
        self._timed = task["frames"].endswith(".npy")
        self._pool = SessionPool(len(os.sched_getaffinity(0)))
        decode = image_decoder(registry)
        wanted = Wanted(**CANDIDATE)
        self._model = load_model(
            open_bundle(task["model"], UNCHECKED), registry, self._pool, decode, wanted=wanted
        )
        stream: dict[str, Any] = {"name": "frames", "source": task["frames"]}
        if self._timed:
            stream = {"name": "frames", "source": "array://", "params": {"path": task["frames"]}}
        stage = {
            "name": "model",
            "bundle": task["model"],
            "params": task["params"],
            "on_error": "stop",
            **CANDIDATE,
        }
        self._config = {"signatures": "off", "stream": [stream], "stage": [stage], "sink": [{"use": "null"}]}

    def precision(self) -> str:
        return self._model.graphs[0].session.execution_precision

    def run(self, amount: float) -> int:
        with Pipeline.from_dict(self._config, registry=self._registry, pool=self._pool) as pipeline:
            if self._timed:
                threading.Timer(amount, pipeline.stop).start()
            else:
                pipeline.observe(_stop_at(int(amount), pipeline))
            complete: int = pipeline.run().streams["frames"]["complete"]
        return complete

    def results(self, count: int) -> list[Any]:
        found: list[Any] = []

        def look(packet: Packet) -> None:
            found.append(to_plain(packet.results["model"]))

        with Pipeline.from_dict(self._config, registry=self._registry, pool=self._pool) as pipeline:
            pipeline.observe(look)
            pipeline.observe(_stop_at(count, pipeline))
            pipeline.run()
        return found[:count]


class Raw:
    """The sessions alone: the most that any program around this runtime can reach."""

    def __init__(self, task: dict[str, Any], registry: Registry) -> None:
        model = InPipeline(task, registry)._model
        self._model = model
        self._raw = RawRuntime(model, Packed("bgr", np.load(task["frames"], mmap_mode="r")[0]))

    def precision(self) -> str:
        return self._model.graphs[0].session.execution_precision

    def run(self, amount: float) -> int:
        return self._raw.run(amount)

    def results(self, count: int) -> list[Any]:
        return []


class OneByOne:
    """The model called with one picture of an array after the other, each with all threads."""

    def __init__(self, task: dict[str, Any], registry: Registry) -> None:
        self._model = Model(task["model"], trust=UNCHECKED, registry=registry, **CANDIDATE)
        self._pictures = np.load(task["frames"], mmap_mode="r")

    def precision(self) -> str:
        return self._model.loaded.graphs[0].session.execution_precision

    def run(self, amount: float) -> int:
        frames, end = 0, time.perf_counter() + amount
        while time.perf_counter() < end:
            self._model(self._pictures[frames % len(self._pictures)])
            frames += 1
        return frames

    def results(self, count: int) -> list[Any]:
        return [to_plain(self._model(picture)) for picture in self._pictures[:count]]


def main(task: dict[str, Any]) -> None:
    registry = load_plugins(("vedette.benchmark.parts", "bench.parts"))
    work = {"pipeline": InPipeline, "one by one": OneByOne, "raw": Raw}[task["mode"]](task, registry)
    about = {
        "versions": {name: version(name) for name in ("vedette", "openvino")},
        "precision": work.precision(),
    }
    serve(about, work.run, work.results)


def to_plain(result: Result) -> Any:
    """A class, or boxes as ``[class, x0, y0, x1, y1]``."""
    if isinstance(result, Classification):
        return int(result.class_id[0, 0])
    assert isinstance(result, Detections)
    boxes = zip(result.class_id, result.xyxy, strict=True)
    return [[int(class_id), *map(float, box)] for class_id, box in boxes]


def _stop_at(count: int, pipeline: Pipeline) -> Observer:
    def look(packet: Packet) -> None:
        if packet.frame.ticket + 1 >= count:
            pipeline.stop()

    return look


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
