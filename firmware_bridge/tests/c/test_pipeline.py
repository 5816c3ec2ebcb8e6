"""The camera in C, a detector, and back: real pictures over a pseudo-terminal, through a pipeline, to the device."""

import json
import subprocess
import threading
import time

import numpy as np

from vedette import Pipeline
from vedette.registry import load_plugins
from vedette.sinks.jsonl import read_jsonl

WANTED = 20


def told(path):
    """What the camera wrote of the results that it got, by image; a line that is being written is left for later."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return {entry["obj"]: entry for entry in map(json.loads, (line for line in lines if line.endswith("\n")))}


def test_pictures_of_a_device_in_c_come_back_as_its_detections(program, detector, video_pictures, tmp_path):
    """Each image's detections reach the device under the image's number, and the device's own time of capture is in the
    file, within the uncertainty that stands beside it. (The clock of both is this machine's: the truth is known.)"""
    results = tmp_path / "results.jsonl"
    command = [program, "--images", video_pictures, "--pty", "--repeat", "--rate", "8", "--results", results]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as device:
        try:
            address = f"vlp:{device.stdout.readline().strip()}"
            run_until_told(address, detector, results, tmp_path / "out.jsonl")
        finally:
            device.kill()
    records = [line for line in read_jsonl(tmp_path / "out.jsonl") if hasattr(line, "clock")]
    answers = told(results)
    assert len(answers) >= WANTED
    assert {record.seq for record in records} >= answers.keys()
    assert sum(len(record.results["detect"]) for record in records) > 10
    for record in (record for record in records if record.seq in answers):
        check(record, answers[record.seq])


def run_until_told(address, detector, results, out):
    pipeline = Pipeline.from_dict(
        {
            "name": "gate",
            "stream": [{"name": "cam", "source": address}],
            "stage": [{"name": "detect", "bundle": str(detector)}],
            "sink": [
                {"use": "jsonl", "params": {"path": str(out)}},
                {"use": "vlp", "params": {"camera": address}},
            ],
        },
        registry=load_plugins(),
    )

    def wait():
        deadline = time.monotonic() + 60
        while len(told(results)) < WANTED and time.monotonic() < deadline:
            time.sleep(0.1)
        pipeline.stop()

    stopper = threading.Thread(target=wait)
    stopper.start()
    pipeline.run()
    stopper.join()


def check(record, answer):
    """Boxes arrive in quarters of a pixel."""
    found = record.results["detect"]
    rows = answer["findings"]
    assert len(rows) == len(found)
    if rows:
        boxes = np.concatenate([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]], axis=1)
        sent = [[row[side] for side in "xywh"] for row in rows]
        np.testing.assert_allclose(sent, boxes, atol=0.13)
        assert [row["class"] for row in rows] == found.class_id.tolist()
    assert record.clock.origin == "device"
    assert 0 < record.clock.uncertainty_ns < 50_000_000
    error_ns = abs(record.clock.mono_ns - 1000 * answer["t_us"])
    assert error_ns <= record.clock.uncertainty_ns + 2_000_000
