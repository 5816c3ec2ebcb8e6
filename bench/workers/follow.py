"""One tracker as a worker: ``follow.py TASK``, where TASK is JSON. Runs in the environment of its library.

Each library is given what its users give it, made of the same arrays: its own boxes are built as part of the work.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from protocol import serve

Film = list[tuple[np.ndarray, np.ndarray]]
"""Frame by frame: boxes ``(n, 4)`` xyxy and confidences ``(n,)``."""
Follow = Callable[[int, np.ndarray, np.ndarray], tuple[list[int], list[list[float]]]]
"""From the number of a frame and its boxes to those that have an identity: ids and boxes."""


def vedette(rate_hz: float) -> Follow:
    """The stage ``tracker`` with its defaults."""
    from vedette.frame import Clock, Frame, Packed
    from vedette.results import Detections
    from vedette.specs import StageInputs
    from vedette_tracking.stages.tracker import Params, Tracker

    stage = Tracker(Params())
    state = stage.start("film")
    image = Packed("gray8", np.zeros((2, 2), np.uint8))

    def follow(number: int, xyxy: np.ndarray, confidence: np.ndarray) -> tuple[list[int], list[list[float]]]:
        media_ns = round(number * 1e9 / rate_hz)
        clock = Clock(mono_ns=media_ns, wall_ns=media_ns, media_ns=media_ns, origin="pts")
        frame = Frame(
            stream="film", epoch=0, ticket=number, seq=number, size_wh=(1920, 1080), clock=clock, image=image
        )
        found = Detections.of(xyxy, confidence, np.zeros(len(xyxy), np.int32))
        result = stage.process(StageInputs(frame=frame, results={"boxes": found}), state).result
        assert isinstance(result, Detections)
        assert result.track_id is not None
        return result.track_id.tolist(), result.xyxy.tolist()

    return follow


def trackers(rate_hz: float) -> Follow:
    """ByteTrackTracker of PyPI ``trackers`` with its defaults, told the frame rate."""
    import supervision as sv
    from trackers import ByteTrackTracker

    tracker = ByteTrackTracker(frame_rate=rate_hz)

    def follow(number: int, xyxy: np.ndarray, confidence: np.ndarray) -> tuple[list[int], list[list[float]]]:
        boxes = sv.Detections(xyxy=xyxy, confidence=confidence, class_id=np.zeros(len(xyxy), int))
        found = tracker.update(boxes)
        known = found.tracker_id >= 0
        return found.tracker_id[known].astype(int).tolist(), found.xyxy[known].tolist()

    return follow


def norfair(rate_hz: float) -> Follow:
    """Norfair with its intersection over union, as its documentation shows it for boxes."""
    import norfair

    tracker = norfair.Tracker(distance_function="iou", distance_threshold=0.7)

    def follow(number: int, xyxy: np.ndarray, confidence: np.ndarray) -> tuple[list[int], list[list[float]]]:
        boxes = [
            norfair.Detection(points=box.reshape(2, 2), scores=np.full(2, score))
            for box, score in zip(xyxy, confidence, strict=True)
        ]
        found = [item for item in tracker.update(detections=boxes) if item.last_detection in boxes]
        return [item.id for item in found], [item.last_detection.points.ravel().tolist() for item in found]

    return follow


LIBRARIES: dict[str, Callable[[float], Follow]] = {
    "vedette-tracking": vedette,
    "trackers": trackers,
    "norfair": norfair,
}


def read_film(path: str) -> Film:
    """From arrays ``frame (n,)``, ``xyxy (n, 4)``, ``confidence (n,)``; frames are numbered from 0 without a gap."""
    with np.load(path) as arrays:
        frame, xyxy, confidence = arrays["frame"], arrays["xyxy"], arrays["confidence"]
    return [(xyxy[frame == number], confidence[frame == number]) for number in range(frame.max() + 1)]


def main(task: dict[str, Any]) -> None:
    warnings.simplefilter("ignore")
    begin, rate_hz = LIBRARIES[task["library"]], task["rate_hz"]
    films = [read_film(path) for path in task["films"]]

    def run(seconds: float) -> int:
        """The first film again and again, each time by a new tracker."""
        end, frames = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            follow = begin(rate_hz)
            for number, (xyxy, confidence) in enumerate(films[0]):
                follow(number, xyxy, confidence)
            frames += len(films[0])
        return frames

    def results(which: int) -> list[Any]:
        follow = begin(rate_hz)
        return [follow(number, *boxes) for number, boxes in enumerate(films[which])]

    serve({"version": version(task["library"])}, run, results)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
