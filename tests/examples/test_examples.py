"""The examples run as their first lines say, and find what is there."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, cwd, **env):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_picture(data, packed, tmp_path):
    out = run("01_one_picture.py", packed("yolox_nano"), data / "images/bus.jpg", cwd=tmp_path)
    found = [line.split()[0] for line in out.splitlines()]
    assert sorted(found)[:2] == ["bus", "person"]
    assert found.count("person") >= 3


def test_own_stage(data, packed, tmp_path):
    video = data / "videos/store-aisle-detection.mp4"
    assert "presence.began" in run("02_own_stage.py", packed("yolox_nano"), video, cwd=tmp_path)


def test_the_demo_runs_its_own_model_and_video(data, packed, tmp_path):
    video = data / "videos/store-aisle-detection.mp4"
    out = run("demo.py", packed("yolox_nano"), video, cwd=tmp_path)
    assert "67" in out
    made = {path.name for path in (tmp_path / "demo-output").iterdir()}
    assert made == {"annotated.mp4", "detections.jsonl", "summary.json"}


def test_the_demo_without_data_says_what_it_needs(tmp_path):
    out = run("demo.py", cwd=tmp_path, VEDETTE_DATA="")
    assert "needs a detector and a video" in out
    assert "vedette pack" in out
