"""Six people come into a room one by one, and leave it by the door: the example's counts, by ``vedette run``."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from vedette.cli import main
from vedette.results import RESULT_TYPES
from vedette.sinks.jsonl import read_jsonl
from vedette_tracking.results import ZoneCounts

EXAMPLE = Path(__file__).parents[2] / "examples" / "06_count_visitors.toml"
VISITS = ((70, 200), (230, 450), (510, 700), (750, 870), (940, 1200), (1240, 1360))
"""First and last frame of each of the six people."""
EVERY = 5


@pytest.fixture(scope="module")
def lines(data, packed, tmp_path_factory):
    """What the example writes, about the film that it is made for."""
    folder = tmp_path_factory.mktemp("visitors")
    text = EXAMPLE.read_text("utf-8")
    for old, new in {
        '"room.mp4"': json.dumps(str(data / "videos" / "one-by-one-person-detection.mp4")),
        '"yolox_nano.vedette"': json.dumps(str(packed("yolox_nano"))),
        '"visitors.jsonl"': json.dumps(str(folder / "visitors.jsonl")),
        "every = 2": f"every = {EVERY}",
        'name = "visitors"': 'name = "visitors"\nsignatures = "off"',
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert tomllib.loads(text)
    pipeline = folder / "visitors.toml"
    pipeline.write_text(text)
    done = CliRunner().invoke(main, ["run", str(pipeline), "--quiet"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return list(read_jsonl(folder / "visitors.jsonl", (*RESULT_TYPES, ZoneCounts)))


def events_of(lines, kind):
    return [line for line in lines if getattr(line, "kind", None) == kind]


def test_six_visits_are_counted(lines):
    crossed = events_of(lines, "line.crossed")
    assert [event.data["direction"] for event in crossed] == ["in"] * 6
    assert [event.data["in_count"] for event in crossed] == [1, 2, 3, 4, 5, 6]
    assert len({event.data["track_id"] for event in crossed}) == 6
    assert {event.data["label"] for event in crossed} == {"person"}


def test_each_visit_is_one_identity_that_lasts(lines):
    """Whoever is there while one person is: one track, the same from beginning to end."""
    seen = {}
    for line in lines:
        result = getattr(line, "results", {}).get("track")
        if result is None:
            continue
        for identity in result.track_id[result.class_id == 0].tolist():
            seen.setdefault(identity, []).append(line.ticket)
    whole = [frames for frames in seen.values() if len(frames) > 10]
    assert len(whole) == len(VISITS)
    for frames, (first, last) in zip(sorted(whole), VISITS, strict=True):
        assert first - EVERY <= frames[0] <= first + 5 * EVERY
        assert last - 5 * EVERY <= frames[-1] <= last + EVERY


def test_all_of_them_stood_at_the_desk(lines):
    dwelt = events_of(lines, "zone.dwell")
    left = events_of(lines, "zone.left")
    assert len({event.data["track_id"] for event in events_of(lines, "zone.entered")}) == 6
    long_enough = {event.data["track_id"] for event in left if event.data["dwell_s"] >= 10.0}
    assert {event.data["track_id"] for event in dwelt} == long_enough
    assert len(dwelt) >= 2
    assert left[-1].data["in_count"] == left[-1].data["out_count"]
