"""``examples/demo.py``: with the bundled model over drawn boards, and with models and videos of one's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from vedette import load_plugins
from vedette.sinks.jsonl import read_jsonl

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
WRITTEN = {"annotated.mp4", "results.jsonl", "summary.json"}


def demo(cwd, *arguments):
    return subprocess.run(
        [sys.executable, str(DEMO), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env={**os.environ, "VEDETTE_DATA": "", "VEDETTE_HOME": str(cwd / "home")},
    )


def written(cwd):
    folder = cwd / "demo-output"
    return {path.name for path in folder.iterdir()}, json.loads((folder / "summary.json").read_text())


@pytest.fixture
def bundled():
    if "defect-detector" not in load_plugins().models:
        pytest.skip("vedette-cnn carries no defect detector")


def test_the_bundled_model_finds_what_was_drawn(bundled, tmp_path):
    done = demo(tmp_path, "--boards", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    names, summary = written(tmp_path)
    assert names == {*WRITTEN, "belt.mp4", "reference.png"}
    stage = summary["stages"]["detect"]
    assert (stage["variant"], stage["proof"]["verdict"]) == ("int8", "passed")
    assert "came with vedette-cnn" in stage["signature"]
    for said in (
        stage["bundle"],
        "variant int8",
        "floats in f32",
        "proof passed",
        "demo-output/annotated.mp4",
    ):
        assert said in done.stdout
    assert summary["score"]["recall"] >= 0.9
    assert summary["score"]["precision"] >= 0.9
    records = [*read_jsonl(tmp_path / "demo-output/results.jsonl")]
    with av.open(str(tmp_path / "demo-output/annotated.mp4")) as video:
        assert (
            sum(1 for _ in video.decode(video=0)) == len(records) == summary["streams"]["camera"]["complete"]
        )


def test_too_little_found_is_an_error(bundled, tmp_path):
    """On a belt without a defect that the model could know: it is not the demo that says what is right."""
    code = f"""
import sys; sys.path.insert(0, {str(DEMO.parent)!r}); sys.argv = ["demo", "--boards", "1"]
import demo; demo.LEAST = 1.01; demo.main()"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300
    )
    assert done.returncode == 1
    assert "of the defects were found, fewer than" in done.stderr


def test_a_model_and_a_video_of_ones_own(data, packed, tmp_path):
    video = data / "videos/store-aisle-detection.mp4"
    done = demo(tmp_path, "--model", packed("yolox_nano"), "--video", video)
    assert done.returncode == 0, done.stderr
    names, summary = written(tmp_path)
    assert names == WRITTEN
    assert summary["streams"]["camera"]["complete"] == 67
    assert "score" not in summary


def test_a_model_file_that_tells_enough(data, tmp_path):
    model, picture = data / "models/ultraface_rfb_320.onnx", data / "images/faces_5_scouts.jpg"
    done = demo(tmp_path, "--model", model, "--video", picture)
    assert done.returncode == 0, done.stderr
    (record,) = read_jsonl(tmp_path / "demo-output/results.jsonl")
    assert len(record.results["detect"]) == 5


def test_a_model_file_that_tells_too_little(data, tmp_path):
    model, picture = data / "models/qdq_cnn_lstm_parity_trap.onnx", data / "images/bus.jpg"
    done = demo(tmp_path, "--model", model, "--video", picture)
    assert done.returncode == 1
    assert "does not tell all that is needed" in done.stderr
    assert "pack it yourself" in done.stderr


def test_a_model_that_is_not_there(tmp_path):
    done = demo(tmp_path, "--model", "no-such-model", "--boards", 1)
    assert done.returncode == 1
    assert "there is no such bundle, nor a model of this name" in done.stderr
