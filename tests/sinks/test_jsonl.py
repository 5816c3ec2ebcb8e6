import hashlib
import json
import logging
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import PipelineError, ResultError, VedetteError
from vedette.events import Event
from vedette.frame import Clock, Frame, Packed
from vedette.packet import Failed, NotRun, Packet, Quarantined, Ran
from vedette.results import RESULT_TYPES, Column, Detections, Result
from vedette.sinks.jsonl import JSONL, JsonlParams, read_jsonl
from vedette.sinks.record import Record, packet_line, parse_line


def open_sink(path, **params):
    return JSONL.open(JsonlParams(path=str(path), **params))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same(got, wanted):
    assert type(got) is type(wanted)
    for item in fields(wanted):
        a, b = getattr(got, item.name), getattr(wanted, item.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert np.array_equal(a, b)
        else:
            assert a == b


# --- round trip -----------------------------------------------------------------------------------------------------


def test_round_trip_of_everything(tmp_path, everything, event):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path, evidence="inline")
    sink.write(everything)
    sink.write_event(event)
    sink.write(everything)
    sink.close()

    record, read_event, again = read_jsonl(path)
    assert read_event == event
    frame = everything.frame
    for got in (record, again):
        assert isinstance(got, Record)
        for name in ("stream", "epoch", "ticket", "seq", "size_wh", "clock"):
            assert getattr(got, name) == getattr(frame, name)
        assert list(got.outcome) == list(everything.outcome)
        assert set(got.results) == set(everything.results)
        for stage, result in everything.results.items():
            assert_same(got.results[stage], result)
        assert got.outcome["events"].result is None
        assert got.outcome["faces"] == NotRun("rate")
        assert got.outcome["age"] == NotRun("no_input")
        assert got.outcome["gone"] == Quarantined()
        assert isinstance(got.outcome["broken"], Failed)
        assert (
            str(got.outcome["broken"].error)
            == "vedette.errors.BackendError: plugin 'x' failed\n  -> update it"
        )


@given(
    st.integers(0, 4).flatmap(
        lambda n: st.tuples(
            st.lists(
                st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=5 * n, max_size=5 * n
            ),
            st.lists(st.integers(0, 3), min_size=n, max_size=n),
        )
    ),
    st.lists(st.text(max_size=5), max_size=3),
)
def test_round_trip_of_any_detections(columns, labels):
    numbers, classes = columns
    n = len(classes)
    result = Detections.of(
        np.array(numbers[: 4 * n]).reshape(n, 4), numbers[4 * n :], classes, labels=tuple(labels)
    )
    frame = Frame(
        stream="gate", epoch=0, ticket=0, seq=0, size_wh=(1, 1), clock=Clock(mono_ns=0, wall_ns=0),
        image=Packed("gray8", np.zeros((1, 1), np.uint8)),
    )  # fmt: skip
    line = packet_line(Packet(frame, {"detect": Ran(result)}))
    assert b"\n" not in line
    assert_same(parse_line(line, {"detect": tuple(labels)}).results["detect"], result)


def test_zero_rows_are_not_the_same_as_not_run(tmp_path, make_packet, results):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    sink.write(make_packet({"looked": Ran(results["empty"]), "did_not": NotRun("rate")}))
    sink.close()
    stages = lines(path)[-1]["stages"]
    assert stages["looked"]["outcome"] == "ran"
    assert stages["looked"]["result"]["xyxy"] == []
    assert stages["did_not"] == {"outcome": "not_run", "reason": "rate"}
    (record,) = read_jsonl(path)
    assert record.results["looked"].xyxy.shape == (0, 4)


def test_results_of_plugins(tmp_path, make_packet):
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Depth(Result):
        type: ClassVar[str] = "depth"
        columns: ClassVar = {"metres": Column(np.float32)}
        metres: np.ndarray

    depth = Depth(metres=np.array([1.5, 2.5], np.float32))
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    sink.write(make_packet({"depth": Ran(depth)}))
    sink.close()
    (record,) = read_jsonl(path, (*RESULT_TYPES, Depth))
    assert_same(record.results["depth"], depth)
    with pytest.raises(ResultError, match=r"out\.jsonl:1: result type 'depth' is not known"):
        list(read_jsonl(path))


# --- format ---------------------------------------------------------------------------------------------------------


def test_names_beside_every_class_and_the_whole_list_once(tmp_path, make_packet, results):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    for ticket in range(3):
        sink.write(
            make_packet({"detect": Ran(results["detect"]), "colour": Ran(results["colour"])}, ticket=ticket)
        )
    sink.close()
    written = lines(path)
    assert written[:2] == [
        {"stage": "detect", "labels": ["person", "bicycle", "car"]},
        {"stage": "colour", "labels": ["red", "blue"]},
    ]
    assert len(written) == 5
    stages = written[2]["stages"]
    assert stages["detect"]["result"]["class_name"] == ["person", "car"]
    assert stages["colour"]["result"]["class_name"] == [["blue", "red"], ["red", "blue"]]
    assert all("labels" not in stage["result"] for stage in stages.values())


def test_labels_that_change_are_written_again(tmp_path, make_packet, results):
    other = Detections.of([[0, 0, 1, 1]], [0.5], [1], labels=("cat", "dog"))
    bare = Detections.of([[0, 0, 1, 1]], [0.5], [1])
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    for result in (results["detect"], other, bare, results["detect"]):
        sink.write(make_packet({"detect": Ran(result)}))
    sink.close()
    assert [record.results["detect"].labels for record in read_jsonl(path)] == [
        results["detect"].labels, ("cat", "dog"), (), results["detect"].labels,
    ]  # fmt: skip


def test_times_stay_whole_numbers(tmp_path, everything):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    sink.write(everything)
    sink.close()
    packet = lines(path)[-1]
    assert packet["clock"]["wall_ns"] == 1_764_000_000_123_456_789
    assert packet["stages"]["clip"]["result"]["window_ns"] == [[10**18, 10**18 + 1]]


def test_evidence_of_an_event_becomes_files_beside(tmp_path, event):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    sink.write_event(event)
    sink.write_event(event)  # delivered again
    sink.close()

    first, again = read_jsonl(path)
    assert first.evidence == again.evidence
    picture, clip = first.evidence
    assert picture.path == f"out.evidence/{event.id}-0.jpg"
    assert picture.data is None
    assert (tmp_path / picture.path).read_bytes() == event.evidence[0].data
    assert picture.sha256 == hashlib.sha256(event.evidence[0].data).hexdigest()
    assert clip == event.evidence[1], "what is a file already stays as it is"
    assert [item.name for item in (tmp_path / "out.evidence").iterdir()] == [f"{event.id}-0.jpg"]


def test_evidence_that_cannot_be_written_is_an_error(tmp_path, event):
    sink = open_sink(tmp_path / "out.jsonl")
    (tmp_path / "out.evidence").write_text("in the way")
    with pytest.raises(PipelineError, match=r"cannot write .*out\.evidence") as caught:
        sink.write_event(event)
    assert "inline" in caught.value.fix
    sink.close()


def test_numpy_in_the_data_of_an_event(tmp_path, event):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    values = {name: getattr(event, name) for name in event.__dataclass_fields__}
    sink.write_event(Event(**values | {"data": {"score": np.float32(0.5), "box": np.arange(4)}}))
    with pytest.raises(PipelineError, match=r"event 'zone\.entered' of stage 'zones'.*object") as caught:
        sink.write_event(Event(**values | {"data": {"what": object()}}))
    assert caught.value.fix
    sink.close()
    (read,) = read_jsonl(path)
    assert read.data == {"score": 0.5, "box": [0, 1, 2, 3]}


# --- files ----------------------------------------------------------------------------------------------------------


def test_every_line_is_there_at_once(tmp_path, make_packet):
    path = tmp_path / "new" / "out.jsonl"
    sink = open_sink(path)
    for ticket in range(5):
        sink.write(make_packet(ticket=ticket))
        assert [record.ticket for record in read_jsonl(path)] == list(range(ticket + 1))
    sink.abort()
    assert len(list(read_jsonl(path))) == 5


def test_existing_file(tmp_path, make_packet):
    path = tmp_path / "out.jsonl"
    for tickets, mode in (([0], "new"), ([0, 1], "append"), ([2], "overwrite")):
        sink = open_sink(path, mode=mode)
        sink.write(make_packet(ticket=tickets[-1]))
        sink.close()
        assert [record.ticket for record in read_jsonl(path)] == tickets
    with pytest.raises(PipelineError, match=r"out\.jsonl exists already") as caught:
        open_sink(path)
    assert "'append' or 'overwrite'" in caught.value.fix


@pytest.mark.parametrize("torn", [b'{"stream": "ga', b"x" * 200_000])
def test_appending_cuts_an_unfinished_line(tmp_path, make_packet, caplog, torn):
    """As a power failure leaves it."""
    path = tmp_path / "out.jsonl"
    sink = open_sink(path)
    sink.write(make_packet(ticket=0))
    sink.close()
    with path.open("ab") as file:
        file.write(torn)
    with caplog.at_level(logging.WARNING):
        sink = open_sink(path, mode="append")
    assert f"of {len(torn)} bytes is cut off" in caplog.text
    sink.write(make_packet(ticket=1))
    sink.close()
    assert [record.ticket for record in read_jsonl(path)] == [0, 1]


def test_appending_to_nothing_but_an_unfinished_line(tmp_path, make_packet):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"x" * 70_000)
    sink = open_sink(path, mode="append")
    sink.write(make_packet())
    sink.close()
    assert len(list(read_jsonl(path))) == 1


def test_streams_in_one_file_or_in_their_own(tmp_path, make_packet, event, results):
    for name in ("all.jsonl", "{stream}.jsonl"):
        sink = open_sink(tmp_path / name)
        for ticket, stream in enumerate(("gate", "yard", "gate")):
            sink.write(make_packet({"detect": Ran(results["detect"])}, stream=stream, ticket=ticket))
        sink.write_event(event)
        sink.close()
    assert [item.stream for item in read_jsonl(tmp_path / "all.jsonl")] == ["gate", "yard", "gate", "gate"]
    assert [item.stream for item in read_jsonl(tmp_path / "gate.jsonl")] == ["gate"] * 3
    (yard,) = read_jsonl(tmp_path / "yard.jsonl")
    assert yard.results["detect"].labels == results["detect"].labels


def test_full_disk(tmp_path, make_packet):
    sink = open_sink("/dev/full", mode="append")
    with pytest.raises(PipelineError, match=r"cannot write /dev/full: No space left"):
        sink.write(make_packet())
    sink.abort()


class HalfWriting:
    """A file on a disk that fills up in the middle of a line."""

    def __init__(self, raw):
        self.raw = raw
        self.room = 30

    def write(self, data):
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self.raw.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name):
        return getattr(self.raw, name)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_line_that_does_not_fit_is_taken_back(tmp_path, make_packet, mode):
    path = tmp_path / "out.jsonl"
    sink = open_sink(path, mode=mode)
    sink.write(make_packet(ticket=0))
    (file,) = sink._files.values()
    whole, file._raw = file._raw, HalfWriting(file._raw)
    with pytest.raises(PipelineError, match="No space left"):
        sink.write(make_packet(ticket=1))
    file._raw = whole
    sink.write(make_packet(ticket=2))
    sink.close()
    assert [record.ticket for record in read_jsonl(path)] == [0, 2]


def test_close_twice_and_write_after(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.jsonl")
    sink.close()
    sink.close()
    sink.abort()
    with pytest.raises(PipelineError, match="is closed already"):
        sink.write(make_packet())


# --- reading --------------------------------------------------------------------------------------------------------


def test_unfinished_last_line_is_left_out(tmp_path, make_packet, caplog):
    path = tmp_path / "out.jsonl"
    path.write_bytes(packet_line(make_packet()) + b'\n{"stream": ')
    assert len(list(read_jsonl(path))) == 1
    assert f"{path}:2: the last line is unfinished" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"stream": "gate", "stages": {}}',
        b'{"event": {"id": 1}}',
        b'{"labels": ["a"]}',
        b'{"labels": 3, "stage": "a"}',
    ],
)
def test_broken_lines_are_named(tmp_path, make_packet, line):
    path = tmp_path / "out.jsonl"
    path.write_bytes(packet_line(make_packet()) + b"\n" + line + b"\n")
    reader = read_jsonl(path)
    next(reader)
    with pytest.raises(ResultError, match=r"out\.jsonl:2: "):
        next(reader)


@pytest.mark.parametrize("stage", [{}, {"outcome": "ran"}, {"outcome": "not_run", "reason": "tired"}, 3])
def test_unknown_outcomes(make_packet, stage):
    plain = json.loads(packet_line(make_packet()))
    plain["stages"]["detect"] = stage
    with pytest.raises(ResultError, match="'detect' has no outcome that is known"):
        parse_line(json.dumps(plain).encode(), {})


def test_missing_file(tmp_path):
    with pytest.raises(VedetteError, match=r"cannot read .*none\.jsonl"):
        list(read_jsonl(tmp_path / "none.jsonl"))
