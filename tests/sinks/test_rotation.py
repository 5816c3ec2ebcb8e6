"""JSON Lines files that are put aside, and evidence that is not kept for ever."""

import os
import time

import pytest

from vedette.events import Event, Evidence
from vedette.packet import Ran
from vedette.sinks.jsonl import JsonlParams, JsonlSink, read_jsonl
from vedette.sinks.retention import Retention
from vedette.sinks.rotation import put_aside_before


def event(number, evidence=()):
    return Event(
        id=f"id-{number:04}", kind="k", stream="gate", epoch=0, stage="s", subject="", t_start_ns=0,
        t_end_ns=None, data={"text": "x" * 200}, evidence=evidence,
    )  # fmt: skip


@pytest.fixture
def open_sink(tmp_path):
    opened = []

    def open_one(**params):
        opened.append(JsonlSink(JsonlParams(path=str(tmp_path / "out.jsonl"), **params)))
        return opened[-1]

    yield open_one
    for sink in opened:
        sink.close()


def test_files_are_put_aside_by_size_and_nothing_is_lost(open_sink, tmp_path, make_packet, results):
    sink = open_sink(rotate_mb=0.002)
    for number in range(60):
        sink.write_event(event(number))
    sink.close()
    path = tmp_path / "out.jsonl"
    aside = put_aside_before(path)
    assert len(aside) > 5
    assert all(file.stat().st_size < 2500 for file in aside)
    found = [item.id for file in (*aside, path) for item in read_jsonl(file)]
    assert found == [f"id-{number:04}" for number in range(60)]


def test_each_file_can_be_read_alone(open_sink, tmp_path, make_packet, results):
    sink = open_sink(rotate_mb=0.001)
    for ticket in range(6):
        sink.write(make_packet({"detect": Ran(results["detect"])}, ticket=ticket))
    sink.close()
    path = tmp_path / "out.jsonl"
    aside = put_aside_before(path)
    assert aside
    for file in (*aside, path):
        for record in read_jsonl(file):
            assert record.results["detect"].labels == results["detect"].labels


def test_only_so_many_are_kept_and_nothing_else_is_removed(open_sink, tmp_path):
    others = [tmp_path / "out.notes.jsonl", tmp_path / "out.000001.txt", tmp_path / "other.jsonl"]
    for other in others:
        other.write_text("mine")
    sink = open_sink(rotate_mb=0.001, keep=2)
    for number in range(40):
        sink.write_event(event(number))
    sink.close()
    path = tmp_path / "out.jsonl"
    aside = put_aside_before(path)
    assert len(aside) == 2
    found = [item.id for file in (*aside, path) for item in read_jsonl(file)]
    assert found == [f"id-{number:04}" for number in range(40 - len(found), 40)]
    assert all(other.read_text() == "mine" for other in others)


def test_a_file_is_put_aside_by_time(open_sink, tmp_path, monkeypatch):
    sink = open_sink(rotate_h=1)
    sink.write_event(event(0))
    now = time.monotonic()
    monkeypatch.setattr("vedette.sinks.rotation.time.monotonic", lambda: now + 3601)
    monkeypatch.setattr("vedette.sinks.jsonl.time.monotonic", lambda: now + 3601)
    for number in (1, 2):
        sink.write_event(event(number))
    assert len(put_aside_before(tmp_path / "out.jsonl")) == 1


def test_old_evidence_goes_and_new_evidence_stays(open_sink, tmp_path):
    sink = open_sink(evidence_keep_days=7)
    folder = tmp_path / "out.evidence"
    folder.mkdir()
    for name, days in (("old.png", 8), ("new.png", 6)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    sink.write_event(event(1, (Evidence(media_type="image/png", data=b"picture"),)))
    assert sorted(file.name for file in folder.iterdir()) == ["id-0001-0.png", "new.png"]


def test_too_much_evidence_goes_the_oldest_first(tmp_path):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(b"x" * 1000)
        os.utime(tmp_path / f"{number}.png", (1000 + number,) * 2)
    assert Retention(tmp_path, keep_mb=0.0035, keep_days=None).sweep() == 7
    assert sorted(file.name for file in tmp_path.iterdir()) == ["7.png", "8.png", "9.png"]
    assert Retention(tmp_path / "none", keep_mb=1, keep_days=1).sweep() == 0
