"""Seven generated plugins, one per kind, in an environment of their own: installed, found, tested, used together.

Core and plugins are installed there from their wheels; the libraries that they need are those of this environment.
"""

import csv
import json
from pathlib import Path

import pytest

from vedette.scaffold.write import KINDS
from vedette.sinks.jsonl import read_jsonl

SEVEN = Path(__file__).parent / "seven.py"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def box(fresh_environment):
    box = fresh_environment
    for kind in KINDS:
        box.run(f"vedette new-plugin my-{kind} --kind {kind}")
    box.run("pip install " + " ".join(f"./vedette-my-{kind}" for kind in KINDS))
    return box


def test_the_core_is_that_of_the_wheel(box):
    place = box.run("python -c 'from vedette.scaffold.write import TEMPLATES; print(TEMPLATES)'")
    assert str(box.folder / "venv") in place


def test_they_are_found(box):
    listed = json.loads(box.run("vedette plugins --json"))["plugins"]
    found = {plugin["name"]: plugin for plugin in listed}
    for kind in KINDS:
        plugin = found[f"my-{kind}"]
        assert (plugin["status"], plugin["distribution"]) == ("active", f"vedette-my-{kind}"), plugin[
            "reason"
        ]
        ((provided,),) = plugin["provides"].values()
        assert provided["name"] == f"my-{kind}"


def test_their_tests_pass(box):
    """At once, as they were written: conformance and their own."""
    printed = box.run("pytest " + " ".join(f"vedette-my-{kind}" for kind in KINDS))
    *_, last = printed.strip().splitlines()
    assert "failed" not in last
    assert "skipped" not in last
    assert int(last.split()[0]) > 80


def test_they_work_together(box):
    summary = json.loads(box.run(f"python {SEVEN} {box.folder}").splitlines()[-1])
    assert summary == {"complete": 12, "parts": ["my-preprocess", "my-backend", "my-postprocess"]}

    header, *boxes = csv.reader((box.folder / "boxes.csv").read_text().splitlines())
    assert header[0] == "stream"
    assert len(boxes) == 12 * 3  # three channels, so three points and boxes in each picture
    lefts = [float(line[header.index("left")]) for line in boxes[::3]]
    assert lefts == sorted(lefts)
    assert lefts[-1] - lefts[0] == pytest.approx(4 * 11, abs=3)  # the bar moves by 4 pixels per picture

    written = list(read_jsonl(box.folder / "all.jsonl"))
    assert "crowd.started" in [getattr(item, "kind", "") for item in written]
    said = {name for item in written if hasattr(item, "outcome") for name in item.outcome}
    assert said == {"colour", "points", "boxes", "crowd"}
