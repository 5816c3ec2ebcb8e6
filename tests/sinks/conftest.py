"""Packets with one of everything."""

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.events import Event, Evidence
from vedette.frame import Clock, Frame, Packed
from vedette.packet import Failed, NotRun, Packet, Quarantined, Ran
from vedette.results import (
    AnomalyMap,
    Classification,
    ClipPrediction,
    Detections,
    Embedding,
    Keypoints,
)

LABELS = ("person", "bicycle", "car")


def f32(*values):
    return np.array(values, np.float32)


RESULTS = {
    "detect": Detections.of(
        [[0.1, 2, 30, 40.7], [5, 6, 7, 8]], [0.93, 1 / 3], [0, 2], labels=LABELS,
        track_id=np.array([7, 2**40]), points=np.arange(8, dtype=np.float32).reshape(2, 2, 2),
    ),
    "empty": Detections.of([], [], [], labels=LABELS),
    "colour": Classification(
        source="detect", source_row=np.array([1, 0], np.int32), labels=("red", "blue"),
        class_id=np.array([[1, 0], [0, 1]], np.int32), confidence=f32([0.6, 0.4], [0.9, 0.1]),
    ),
    "pose": Keypoints(points=np.ones((1, 3, 2), np.float32), confidence=f32([0.1, 0.2, 0.3])),
    "embed": Embedding(vector=f32([0.6, 0.8])),
    "odd": AnomalyMap(score=f32(3.5), heat=np.ones((1, 2, 3), np.float32), xyxy=f32([0, 0, 64, 48])),
    "clip": ClipPrediction(
        class_id=np.array([[2]], np.int32), confidence=f32([0.5]),
        window_ns=np.array([[10**18, 10**18 + 1]], np.int64), labels=("walk", "run", "fall"),
    ),
}  # fmt: skip


@pytest.fixture
def results():
    return RESULTS


@pytest.fixture
def make_packet():
    def make(outcome=None, stream="gate", ticket=0, media_ns=12_300_000_000):
        clock = Clock(mono_ns=10**15 + 1, wall_ns=1_764_000_000_123_456_789, media_ns=media_ns, origin="pts")
        frame = Frame(
            stream=stream,
            epoch=1,
            ticket=ticket,
            seq=ticket + 5,
            size_wh=(64, 48),
            clock=clock,
            image=Packed("gray8", np.zeros((48, 64), np.uint8)),
        )
        return Packet(frame, dict(outcome or {}))

    return make


@pytest.fixture
def everything(make_packet):
    """A packet with every result and every outcome."""
    outcome = {name: Ran(result) for name, result in RESULTS.items()}
    outcome |= {
        "events": Ran(None),
        "faces": NotRun("rate"),
        "age": NotRun("no_input"),
        "broken": Failed(BackendError("plugin 'x' failed", fix="update it")),
        "gone": Quarantined(),
    }
    return make_packet(outcome)


@pytest.fixture
def event():
    return Event(
        id="0f" * 16,
        kind="zone.entered",
        stream="gate",
        epoch=1,
        stage="zones",
        subject="track:7",
        t_start_ns=1_764_000_000_123_456_789,
        t_end_ns=None,
        data={"zone": "door", "box": [1.5, 2], "deep": {"n": 3, "none": None}},
        evidence=(
            Evidence(media_type="image/jpeg", data=b"\x00\xffpicture"),
            Evidence(media_type="x", path="a.mp4"),
        ),
    )
