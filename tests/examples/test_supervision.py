"""``examples/03_supervision.py`` runs and loses nothing on the way."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vedette import Detections

EXAMPLE = Path(__file__).parents[2] / "examples" / "03_supervision.py"

pytest.importorskip("supervision", reason="supervision is not installed")


@pytest.fixture(scope="module")
def to_supervision():
    return runpy.run_path(str(EXAMPLE))["to_supervision"]


def test_every_column_arrives(to_supervision):
    found = Detections.of(
        [[10, 20, 110, 220], [300, 40, 380, 200]],
        [0.9, 0.4],
        [0, 2],
        track_id=np.array([7, 8]),
        labels=("person", "dog", "car"),
    )
    theirs = to_supervision(found)
    assert theirs.xyxy.tolist() == found.xyxy.tolist()
    assert theirs.confidence.tolist() == found.confidence.tolist()
    assert theirs.class_id.tolist() == [0, 2]
    assert theirs.tracker_id.tolist() == [7, 8]
    assert theirs.data["class_name"].tolist() == ["person", "car"]


def test_theirs_can_be_filtered(to_supervision):
    found = Detections.of([[0, 0, 4, 4], [1, 1, 2, 2]], [0.9, 0.4], [0, 1], labels=("cat", "dog"))
    theirs = to_supervision(found)
    assert theirs[theirs.confidence > 0.5].data["class_name"].tolist() == ["cat"]


@pytest.mark.parametrize("labels", [(), ("cat",)])
def test_nothing_found(to_supervision, labels):
    assert len(to_supervision(Detections.empty(labels))) == 0


def test_it_runs_as_a_program():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2 boxes, ")
