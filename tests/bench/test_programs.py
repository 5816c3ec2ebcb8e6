"""``python -m bench``: each program runs and says what it has found. No figure is judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench.agreement import boxes_agree, classes_agree
from bench.figures import Figure, Outcome, render, to_builtins
from bench.startup import HEAVY, PUBLIC, fresh
from bench.storage import bundle
from bench.worker import Worker

from vedette.registry import load_plugins

ROOT = Path(__file__).parents[2]


def run_bench(*arguments, env=None):
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_glue(tmp_path):
    output = tmp_path / "figures.json"
    found = json.loads(run_bench("glue", "--quick", "--json", "--output", str(output)))
    assert found == json.loads(output.read_text())
    figures = found["benchmarks"]["glue"]["figures"]
    assert figures[0]["subject"] == "1 free stage"
    assert all(figure["value"] > 0 and figure["verdict"] in ("ok", "MISSED") for figure in figures)
    assert found["machine"]["threads_usable"] >= 1
    assert "vedette" in found["versions"]


def test_what_needs_the_data_says_so():
    text = run_bench("ideal", "model_api", "--quick", env={"VEDETTE_DATA": ""})
    assert text.count("not run: VEDETTE_DATA") == 2


@pytest.mark.slow
def test_ideal(data):
    found = json.loads(run_bench("ideal", "--quick", "--json"))
    figures = {figure["name"]: figure for figure in found["benchmarks"]["ideal"]["figures"]}
    assert figures["throughput by ideal"]["target"] == 0.85
    alone = (
        figures["CPU of decode + preprocess, alone"]["value"]
        + figures["CPU of raw inference, alone"]["value"]
    )
    assert figures["ideal"]["value"] == pytest.approx(found["machine"]["threads_usable"] * 1e3 / alone)


def test_our_worker_answers_in_both_ways(data, tmp_path):
    """Pipeline and single calls must say the same of the same pictures."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 90, 160, 3), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    packed = bundle("mobilenet_v2", data, load_plugins())
    task = {"model": str(packed), "frames": str(tmp_path / "pictures.npy"), "params": {}}
    answers = []
    for mode in ("pipeline", "one by one"):
        with Worker(Path(sys.executable), "ours.py", {**task, "mode": mode}) as worker:
            assert worker.about["precision"] == "f32"
            answers.append(worker.results(3))
            sample = worker.run(0.2)
            assert sample.frames > 0 < sample.cpu_s
            assert worker.peak_rss_mb > 10
    assert answers[0] == answers[1]
    assert len(answers[0]) == 3


def test_a_worker_that_fails_says_why(data, tmp_path):
    task = {"model": "nothing.vedette", "frames": "x.npy", "params": {}, "mode": "pipeline"}
    with pytest.raises(RuntimeError, match=r"nothing\.vedette"):
        Worker(Path(sys.executable), "ours.py", task)


@pytest.mark.parametrize("statement", ["import vedette", PUBLIC])
def test_import_is_light(statement):
    """Memory over a bare interpreter, not time, which depends on the machine."""
    _, bare_mb, _ = fresh("pass")
    _, rss_mb, heavy = fresh(statement)
    assert heavy == []
    assert rss_mb - bare_mb <= 35


def test_a_heavy_import_would_be_noticed():
    _, _, heavy = fresh("import sys; sys.modules['torch'] = sys")
    assert heavy == ["torch"]
    assert "torch" in HEAVY


def test_verdicts():
    figure = {"subject": "s", "name": "n", "unit": ""}
    assert Figure(**figure, value=0.84, target=0.85).verdict == "MISSED"
    assert Figure(**figure, value=0.85, target=0.85).verdict == "ok"
    assert Figure(**figure, value=61, target=60, better="lower").verdict == "MISSED"
    assert Figure(**figure, value=1).verdict == ""
    outcomes = {"b": Outcome(figures=[Figure(**figure, value=61, target=60, better="lower", contended=2)])}
    assert "MISSED (2 contended rounds)" in render(outcomes)
    assert to_builtins(outcomes)["benchmarks"]["b"]["figures"][0]["verdict"] == "MISSED"


def test_agreement_of_classes():
    assert classes_agree([1, 2, 3, 4], [1, 2, 0, 4]) == 0.75


def test_agreement_of_boxes():
    person, car = [0, 0, 0, 10, 10], [2, 20, 20, 40, 40]
    assert boxes_agree([[person, car]], [[[0, 1, 0, 10, 10], car]]) == 1
    assert boxes_agree([[person]], [[[2, 0, 0, 10, 10]]]) == 0, "another class is another thing"
    assert boxes_agree([[person, person]], [[person]]) == pytest.approx(2 / 3), "a box has one partner"
    assert boxes_agree([[]], [[]]) == 1
    assert boxes_agree([[person], []], [[], [person]]) == 0, "frame by frame"
