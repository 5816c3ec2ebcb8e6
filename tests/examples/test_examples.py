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


def test_count_visitors(data, packed, tmp_path):
    video = data / "videos/store-aisle-detection.mp4"
    out = run("06_count_visitors.py", packed("yolox_nano"), video, cwd=tmp_path)
    assert out.splitlines()[-1].startswith("through the door: ")
