"""Frames at given times, boxes with tracks, and films of moving objects."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for bright_square, which lies beside the tests

from vedette.frame import Clock, Frame, Packed
from vedette.results import Detections
from vedette.specs import StageInputs

S = 1_000_000_000
WALL = 1_700_000_000 * S
SIZE = (640, 480)


@pytest.fixture
def frame():
    """``frame(2.5)``: of a file, 2.5 s after its beginning; ``live=True``: of a camera."""

    def make(second, *, stream="a", epoch=0, live=False, wall_ns=None, size_wh=SIZE):
        time_ns = round(second * S)
        clock = Clock(
            mono_ns=time_ns,
            wall_ns=WALL + time_ns if wall_ns is None else wall_ns,
            media_ns=None if live else time_ns,
            origin="arrival" if live else "pts",
        )
        image = Packed("gray8", np.zeros((2, 2), np.uint8))
        return Frame(stream=stream, epoch=epoch, ticket=0, seq=0, size_wh=size_wh, clock=clock, image=image)

    return make


@pytest.fixture
def tracked():
    """``tracked({7: (100, 200)})``: boxes 40 x 100 whose feet are there, as a tracker gives them."""

    def make(feet, labels=("person", "car"), class_id=0, confidence=0.9):
        boxes = [(x - 20, y - 100, x + 20, y) for x, y in feet.values()]
        return Detections.of(
            boxes,
            [confidence] * len(feet),
            [class_id] * len(feet),
            track_id=np.array(list(feet), np.int64),
            labels=labels,
        )

    return make


@pytest.fixture
def play(frame):
    """``play(stage, state, role, results, step_s=0.1)``: a result per frame; outputs in order."""

    def run(stage, state, role, results, begin_s=0.0, step_s=0.1, **of_frame):
        return [
            stage.process(
                StageInputs(
                    frame=frame(begin_s + number * step_s, **of_frame),
                    results={role: result},
                    stages={role: "before"},
                ),
                state,
            )
            for number, result in enumerate(results)
        ]

    return run
