import json
import subprocess
import sys

import numpy as np
import pytest

from vedette.packet import Failed, NotRun, Quarantined, Ran
from vedette.results import Detections
from vedette.sinks.record import parse_line
from vedette.sinks.stdout import STDOUT, StdoutParams, outcome_text, packet_text


def test_one_line_per_packet(capsys, make_packet, results, event):
    sink = STDOUT.open(StdoutParams())
    sink.write(make_packet({"detect": Ran(results["detect"]), "faces": NotRun("rate")}, ticket=123))
    sink.write(make_packet(media_ns=None))
    sink.write_event(event)
    sink.close()
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "gate 12.300s #123  detect: person 0.93, car 0.33  faces: not run (rate)"
    assert second == "gate #0"
    assert third.startswith("gate event zone.entered track:7 {'zone': 'door'")


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("empty", "nothing"),
        ("colour", "blue 0.60, red 0.90"),
        ("clip", "fall 0.50"),
        ("odd", "score 3.5"),
        ("pose", "1 keypoints"),
        ("embed", "1 embedding"),
    ],
)
def test_results_in_words(results, stage, text):
    assert outcome_text(Ran(results[stage])) == text


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Ran(None), "done"),
        (NotRun("no_input"), "not run (no input)"),
        (Failed(RuntimeError("first line\nsecond")), "failed (first line)"),
        (Failed(RuntimeError()), "failed"),
        (Quarantined(), "quarantined"),
    ],
)
def test_outcomes_in_words(outcome, text):
    assert outcome_text(outcome) == text


def test_findings_are_grouped_the_most_confident_first(make_packet):
    found = Detections.of(
        np.zeros((5, 4)), [0.5, 0.9, 0.7, 0.8, 0.6], [0, 1, 0, 0, 9], labels=("person", "bus")
    )
    text = packet_text(make_packet({"detect": Ran(found)}))
    assert text.endswith("detect: bus 0.90, 3 person 0.80 0.70 0.50, class 9 0.60")


def test_json(capsys, everything, event):
    sink = STDOUT.open(StdoutParams(format="json"))
    sink.write(everything)
    sink.write_event(event)
    sink.abort()
    lines = capsys.readouterr().out.splitlines()
    assert all(json.loads(line) for line in lines)
    labels = {}
    items = [item for line in lines if (item := parse_line(line.encode(), labels)) is not None]
    assert items[0].results["detect"].labels == everything.results["detect"].labels
    assert items[1] == event


def test_reader_that_goes_away_is_an_error():
    code = """
import numpy as np, sys
from vedette.errors import PipelineError
from vedette.frame import Clock, Frame, Packed
from vedette.packet import Packet
from vedette.sinks.stdout import STDOUT, StdoutParams
image = Packed("gray8", np.zeros((2, 2), np.uint8))
frame = Frame(stream="s", epoch=0, ticket=0, seq=0, size_wh=(2, 2), clock=Clock(mono_ns=0, wall_ns=0), image=image)
sink = STDOUT.open(StdoutParams())
try:
    for _ in range(100_000):
        sink.write(Packet(frame))
except PipelineError as error:
    print(error, file=sys.stderr)
    sys.stderr.flush()
    import os; os._exit(3)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "s #0\n"
        run.stdout.close()
        assert "standard output was closed" in run.stderr.read()
        assert run.wait() == 3
