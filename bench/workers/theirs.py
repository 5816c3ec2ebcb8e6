"""Intel Model API as a worker: ``model_api.py TASK``, where TASK is JSON. Runs in that library's own environment."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model
from model_api.models.yolo import YOLOX
from model_api.pipelines import AsyncPipeline
from protocol import serve

Frames = Iterator[np.ndarray]


class RepairedYOLOX(YOLOX):
    """Its wrapper with the one value that its own preprocessing fails to hand to its postprocessing."""

    __model__ = "YOLOX-repaired"

    def preprocess(self, dict_inputs: dict[str, Any], meta: dict[str, Any]) -> tuple[Any, Any]:
        dict_inputs, meta = super().preprocess(dict_inputs, meta)
        height, width = meta["original_shape"][:2]
        return dict_inputs, {**meta, "scale": min(self.w / width, self.h / height)}


def build(task: dict[str, Any]) -> Model:
    """The wrapper; ``requests`` 0 is for one call at a time."""
    requests: int = task["requests"]
    hint = "THROUGHPUT" if requests else "LATENCY"
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": hint}
    adapter = OpenvinoAdapter(
        create_core(), task["model"], device="CPU", plugin_config=config, max_num_requests=requests
    )
    return Model.create_model(adapter, model_type=task["wrapper"], configuration=task["configuration"])


def read_frames(task: dict[str, Any]) -> Frames:
    """The frames of an array without end, or those of a video."""
    if task["frames"].endswith(".npy"):
        pictures = np.load(task["frames"], mmap_mode="r")
        while True:
            yield from pictures
    capture = cv2.VideoCapture(task["frames"])
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield frame


def synchronous(model: Model, frames: Frames, enough: Callable[[int], bool]) -> Iterator[Any]:
    """One frame after the other."""
    for number, frame in enumerate(frames):
        if enough(number):
            return
        yield model(frame)


def asynchronous(model: Model, frames: Frames, enough: Callable[[int], bool]) -> Iterator[Any]:
    """The loop of Model API's own examples: as many frames in flight as there are requests, results in order."""
    pipeline = AsyncPipeline(model)
    given = taken = 0
    while True:
        answer = pipeline.get_result(taken)
        if answer is not None:
            taken += 1
            yield answer[0]
        elif pipeline.is_ready():
            frame = None if enough(given) else next(frames, None)
            if frame is None:
                break
            pipeline.submit_data(frame, given)
            given += 1
        else:
            pipeline.await_any()
    pipeline.await_all()
    while (answer := pipeline.get_result(taken)) is not None:
        taken += 1
        yield answer[0]


def main(task: dict[str, Any]) -> None:
    model = build(task)
    work = asynchronous if task["requests"] else synchronous

    def run(amount: float) -> int:
        if task["frames"].endswith(".npy"):
            end = time.perf_counter() + amount
            return sum(1 for _ in work(model, read_frames(task), lambda _: time.perf_counter() >= end))
        return sum(1 for _ in work(model, read_frames(task), lambda given: given >= amount))

    def results(count: int) -> list[Any]:
        return [to_plain(answer) for answer in work(model, read_frames(task), lambda given: given >= count)]

    compiled = model.inference_adapter.compiled_model
    about = {
        "versions": {
            name: version(name) for name in ("openvino-model-api", "openvino", "opencv-python-headless")
        },
        "precision": compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
    }
    serve(about, run, results)


def to_plain(answer: Any) -> Any:
    """A class, or boxes as ``[class, x0, y0, x1, y1]``."""
    if hasattr(answer, "top_labels"):
        return int(answer.top_labels[0].id)
    boxes = zip(answer.labels, np.asarray(answer.bboxes, float).reshape(-1, 4), strict=True)
    return [[int(label), *box.tolist()] for label, box in boxes]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
