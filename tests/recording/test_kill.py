"""A process that is killed while it records leaves a recording of all that it had written, down to the last image."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from vedette.frame import Clock
from vedette.recording.reading import Recording

RECORD = """
import sys
from vedette.pipeline.run import Pipeline

Pipeline.from_dict({
    "stream": [{"name": "door", "source": sys.argv[1], "record": sys.argv[2], "params": {"loop": True}}],
    "stage": [{"name": "seen", "use": "slow"}],
    "sink": [{"use": "jsonl", "params": {"path": sys.argv[3]}}],
}, registry=__import__("vedette.registry", fromlist=[""]).load_plugins(["slow_stage"])).run()
"""
SLOW = """
import time
from vedette import StageSpec, hookimpl


class Slow:
    def start(self, stream):
        return None

    def process(self, inputs, state):
        time.sleep(0.002)


@hookimpl
def vedette_stages():
    return [StageSpec(name="slow", summary="Takes its time.", build=lambda params: Slow(), ordered=True)]
"""


@pytest.mark.parametrize("seen", [3, 150])
def test_killed_while_it_records(data, tmp_path, bench, seen):
    (tmp_path / "slow_stage.py").write_text(SLOW)
    folder, jsonl = tmp_path / "rec", tmp_path / "live.jsonl"
    source = data / "videos/person-bicycle-car-detection.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", RECORD, str(source), str(folder), str(jsonl)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    deadline = time.monotonic() + 60
    while not jsonl.exists() or jsonl.read_bytes().count(b"\n") < seen:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()

    lines = [
        json.loads(line) for line in jsonl.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
    ]
    recording = Recording(folder)
    kept = [entry.line for entry in recording.entries()]
    assert recording.end is None
    assert len(kept) >= len(lines) - 2
    again = [json.loads(line) for line in bench.run(str(folder))]
    assert len(again) == len(kept)
    for one, other in zip(lines, again, strict=False):
        assert {**one, "stages": 0} == {**other, "stages": 0}
    assert kept[0].clock == Clock(**again[0]["clock"])
