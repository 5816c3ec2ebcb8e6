"""What an outbox takes, holds back and says, and how a courier empties it."""

import logging
import sqlite3
import threading
import time

import pytest

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.outbox import courier as courier_module
from vedette.outbox.courier import Courier, Later, pause_s
from vedette.outbox.params import OutboxParams
from vedette.outbox.sink import OutboxSink
from vedette.outbox.store import Store
from vedette.sinks.record import parse_line
from vedette.specs import FlushingSink, HoldingSink


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(courier_module, "FIRST_PAUSE_S", 0.01)


def ids(outbox):
    return [item.id for item in outbox.first(10_000)]


def event(number=0):
    return Event(
        id=f"id-{number}", kind="door.opened", stream="cam", epoch=0, stage="door", subject="", t_start_ns=1,
        t_end_ns=None, data={"number": number},
    )  # fmt: skip


def test_events_are_committed_in_groups_without_being_asked(open_outbox, wait_until):
    groups = []
    outbox = open_outbox(groups.append)
    for number in range(50):
        outbox.put(f"id-{number}", b"x")
    wait_until(lambda: sum(map(len, groups)) == 50)
    assert len(groups) < 50
    assert ids(outbox) == [f"id-{number}" for number in range(50)]


def test_flush_means_on_disk(open_outbox, tmp_path):
    outbox = open_outbox()
    for number in range(20):
        outbox.put(f"id-{number}", b"x")
        outbox.flush()
        with sqlite3.connect(tmp_path / "box.db") as reader:
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (number + 1,)
        reader.close()


def test_putting_does_not_wait_for_the_disk(open_outbox, monkeypatch, wait_until):
    slow, entered = threading.Event(), threading.Event()
    add = Store.add

    def stuck(self, rows):
        entered.set()
        assert slow.wait(30)
        return add(self, rows)

    monkeypatch.setattr(Store, "add", stuck)
    outbox = open_outbox()
    outbox.put("first", b"x")
    assert entered.wait(30)
    for number in range(100):
        outbox.put(f"id-{number}", b"x")
    assert outbox.status()["waiting"] == 101
    with pytest.raises(PipelineError, match="101 events are not on disk"):
        outbox.flush(0.01)
    slow.set()
    outbox.flush()
    assert len(ids(outbox)) == 101


def test_the_same_id_is_kept_once(open_outbox):
    outbox = open_outbox()
    for body in (b"first", b"second"):
        outbox.put("id", body)
        outbox.flush()
    assert [item.body for item in outbox.first(9)] == [b"first"]
    assert outbox.status()["repeated"] == 1


def test_what_was_put_outlives_closing(open_outbox):
    outbox = open_outbox()
    outbox.put("a", b"x")
    outbox.close()
    assert ids(open_outbox()) == ["a"]


def test_a_full_one_says_so_and_takes_what_still_comes(open_outbox):
    outbox = open_outbox(max_mb=0.001)
    assert outbox.ready()
    for number in range(4):
        outbox.put(f"id-{number}", b"x" * 400)
    assert not outbox.ready()
    outbox.flush()
    assert len(ids(outbox)) == 4
    outbox.settle(outbox.first(1))
    assert not outbox.ready(), "1200 of 1000 bytes"
    outbox.settle(outbox.first(1))
    assert outbox.ready()


def test_an_old_event_makes_it_full(open_outbox, monkeypatch):
    outbox = open_outbox(max_age_h=1)
    outbox.put("a", b"x")
    outbox.flush()
    assert outbox.ready()
    now = time.monotonic()
    monkeypatch.setattr("vedette.outbox.store.time.monotonic", lambda: now + 3700)
    assert not outbox.ready()


def test_the_oldest_are_dropped_where_that_was_chosen(open_outbox, caplog, wait_until):
    outbox = open_outbox(max_mb=0.001, full="oldest")
    for number in range(10):
        outbox.put(f"id-{number}", b"x" * 300)
        outbox.flush()
        assert outbox.ready()
    wait_until(lambda: outbox.status()["waiting"] <= 3)
    left = ids(outbox)
    assert left == [f"id-{number}" for number in range(10 - len(left), 10)]
    assert outbox.status()["dropped"] == 10 - len(left)
    assert "oldest events are dropped" in caplog.text


def test_a_disk_that_is_full_holds_frames_back_until_it_is_not(open_outbox, monkeypatch, caplog, wait_until):
    full = threading.Event()
    full.set()
    add = Store.add

    def refuse(self, rows):
        if full.is_set():
            raise sqlite3.OperationalError("database or disk is full")
        return add(self, rows)

    monkeypatch.setattr(Store, "add", refuse)
    monkeypatch.setattr("vedette.outbox.outbox.RETRY_S", 0.01)
    outbox = open_outbox()
    outbox.put("a", b"x")
    wait_until(lambda: not outbox.ready())
    assert outbox.status()["failing"] == "database or disk is full"
    full.clear()
    wait_until(outbox.ready)
    assert ids(outbox) == ["a"]
    full.set()
    outbox.put("b", b"x")
    with pytest.raises(PipelineError, match=r"1 events are not on disk: database or disk is full"):
        outbox.close()
    assert caplog.text.count("cannot be stored") == 2


def test_a_courier_brings_all_in_order_and_takes_them_out(open_outbox, depot, wait_until):
    outbox = open_outbox()
    courier = Courier(outbox, depot, "depot")
    for number in range(100):
        outbox.put(f"id-{number}", b"%d" % number)
    wait_until(lambda: outbox.status()["delivered"] == 100)
    assert depot.received == [f"id-{number}" for number in range(100)]
    assert ids(outbox) == []
    courier.close(0)
    assert depot.closed == 1


def test_an_outage_delays_and_loses_nothing(open_outbox, depot, wait_until, caplog):
    caplog.set_level(logging.WARNING)
    outbox = open_outbox()
    depot.open.clear()
    courier = Courier(outbox, depot, "depot")
    for number in range(20):
        outbox.put(f"id-{number}", b"x")
    wait_until(lambda: depot.attempts >= 3)
    assert courier.trouble == "the depot is shut"
    assert depot.received == []
    depot.open.set()
    wait_until(lambda: outbox.status()["delivered"] == 20)
    assert depot.received == [f"id-{number}" for number in range(20)]
    wait_until(lambda: courier.trouble == "")
    assert caplog.text.count("not delivered now") == 1
    assert caplog.text.count("delivers again") == 1
    courier.close(0)


def test_a_receipt_that_got_lost_means_twice_with_the_same_id(open_outbox, depot, wait_until):
    outbox = open_outbox()
    depot.lost_receipts = 3
    courier = Courier(outbox, depot, "depot")
    for number in range(5):
        outbox.put(f"id-{number}", b"x")
    wait_until(lambda: outbox.status()["delivered"] == 5)
    assert depot.received == ["id-0"] * 4 + ["id-1", "id-2", "id-3", "id-4"]
    courier.close(0)


def test_what_is_refused_is_put_aside_and_shown(open_outbox, depot, wait_until, caplog):
    outbox = open_outbox()
    depot.refuse = {"id-1"}
    courier = Courier(outbox, depot, "depot")
    for number in range(3):
        outbox.put(f"id-{number}", b"x")
    wait_until(lambda: outbox.status()["delivered"] == 2)
    wait_until(lambda: outbox.status()["refused"] == 1)
    assert outbox.status()["refused_last"] == "it smells"
    assert "event id-1 was refused and is kept: it smells" in caplog.text
    courier.close(0)


def test_a_defect_in_a_destination_does_not_end_the_deliveries(open_outbox, depot, wait_until, caplog):
    outbox = open_outbox()
    depot.broken = ZeroDivisionError("oops")
    courier = Courier(outbox, depot, "depot")
    outbox.put("a", b"x")
    wait_until(lambda: courier.trouble == "ZeroDivisionError: oops")
    depot.broken = None
    wait_until(lambda: depot.received == ["a"])
    courier.close(0)


def test_pauses_grow_and_differ():
    assert all(
        courier_module.FIRST_PAUSE_S / 2 <= pause_s(1) <= courier_module.FIRST_PAUSE_S for _ in range(50)
    )
    many = {pause_s(1000) for _ in range(50)}
    assert min(many) >= courier_module.LONGEST_PAUSE_S / 2
    assert max(many) <= courier_module.LONGEST_PAUSE_S
    assert len(many) > 40


def test_later_may_ask_for_a_longer_pause(open_outbox, depot, wait_until):
    outbox = open_outbox()
    depot.broken = Later("busy", after_s=1.0)
    courier = Courier(outbox, depot, "depot")
    outbox.put("a", b"x")
    wait_until(lambda: depot.attempts == 1)
    time.sleep(0.4)
    assert depot.attempts == 1
    depot.broken = None
    wait_until(lambda: depot.received == ["a"])
    courier.close(0)


@pytest.fixture
def sink(tmp_path, depot):
    made = OutboxSink(OutboxParams(path=str(tmp_path / "box.db")), "depot", lambda: depot)
    yield made
    made.abort()


def test_a_sink_delivers_what_waits_before_it_closes(sink, depot):
    assert isinstance(sink, FlushingSink)
    assert isinstance(sink, HoldingSink)
    for number in range(30):
        sink.write_event(event(number))
    sink.close()
    assert depot.received == [f"id-{number}" for number in range(30)]
    assert parse_line(depot.bodies["id-7"], {}) == event(7)
    assert (sink.status()["waiting"], sink.status()["delivered"]) == (0, 30)


def test_closing_does_not_wait_for_a_destination_that_is_away(sink, depot, tmp_path):
    depot.open.clear()
    for number in range(30):
        sink.write_event(event(number))
    begin = time.monotonic()
    sink.close()
    assert time.monotonic() - begin < 4
    assert depot.closed == 1
    store = Store(tmp_path / "box.db")
    assert store.waiting == 30
    store.close()


def test_an_event_that_json_has_no_form_for_is_the_writers_error(sink):
    bad = Event(
        id="x", kind="k", stream="s", epoch=0, stage="t", subject="", t_start_ns=0, t_end_ns=None,
        data={"x": object()},
    )  # fmt: skip
    with pytest.raises(PipelineError, match="cannot be written as JSON"):
        sink.write_event(bad)
