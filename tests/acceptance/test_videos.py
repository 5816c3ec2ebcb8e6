"""Whole videos, end to end: every frame accounted for, boxes drawn, JSON Lines complete."""

import av
import numpy as np
import pytest

from vedette.pipeline.run import Pipeline
from vedette.sinks.jsonl import read_jsonl

PERSON, CAR = 0, 2


@pytest.mark.parametrize(
    ("video", "frames", "class_id", "seen_in"),
    [
        ("one-by-one-person-detection.mp4", 1394, PERSON, range(850, 1250)),
        ("highway-baseline.avi", 1699, CAR, range(1500, 1700)),  # its header says 1700
    ],
)
def test_every_frame_of_a_video_is_accounted_for(data, packed, tmp_path, video, frames, class_id, seen_in):
    annotated, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with Pipeline.from_dict(
        {
            "stream": [{"name": "camera", "source": str(data / "videos" / video)}],
            "stage": [
                {
                    "name": "detect",
                    "bundle": str(packed("fastestdet")),
                    "params": {"confidence_threshold": 0.5},
                }
            ],
            "sink": [
                {"use": "video", "params": {"path": str(annotated), "options": {"preset": "ultrafast"}}},
                {"use": "jsonl", "params": {"path": str(jsonl)}},
            ],
        }
    ) as pipeline:
        summary = pipeline.run()
    counts = summary.streams["camera"]
    assert summary.balanced
    assert counts["captured"] == counts["complete"] == frames
    assert counts["dropped"] == {}
    assert {name: sink["written"] for name, sink in summary.sinks.items()} == {
        "video": frames,
        "jsonl": frames,
    }

    records = list(read_jsonl(jsonl))
    assert [record.ticket for record in records] == list(range(frames))
    found = [record.results["detect"] for record in records]
    seen = sum(class_id in result.class_id for result in found)
    assert seen in seen_in
    _check_drawn(data / "videos" / video, annotated, frames, found)


def _check_drawn(original, annotated, frames, found):
    """The annotated video has every frame, and differs from the original where boxes are and hardly elsewhere."""
    busiest = int(np.argmax([len(result) for result in found]))
    before, after = _frame(original, busiest), _frame(annotated, busiest)
    edge = np.zeros(before.shape[:2], bool)
    for x0, y0, x1, y1 in found[busiest].xyxy.round().astype(int):
        edge[max(y0 - 24, 0) : y1 + 4, max(x0 - 4, 0) : x1 + 160] = True
    changed = np.abs(before.astype(int) - after).max(axis=2) > 60
    assert changed[edge].sum() > 100
    assert changed[~edge].mean() < 0.01
    with av.open(str(annotated)) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames


def _frame(path, number):
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return frame.to_ndarray(format="bgr24")
    raise AssertionError(f"{path} has no frame {number}")
