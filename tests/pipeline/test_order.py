"""Ordered stages behind jittering workers, drops, failures, quarantine, and the accounting identity."""

import random
import time

import numpy as np
import pytest

from vedette.errors import StageError
from vedette.events import EventDraft
from vedette.packet import Failed, NotRun, Quarantined, Ran
from vedette.results import Detections
from vedette.specs import StageOutput


def test_ten_thousand_tickets_in_order_behind_jittering_workers(kit, make_captures, list_source, boxes):
    seen = []
    rng = random.Random(7)

    def jitter(inputs, state):
        if rng.random() < 0.02:
            time.sleep(rng.random() * 2e-3)
        if inputs.frame.seq % 997 == 5:
            raise ValueError("now and then")
        return boxes([[0, 0, 1, 1]])

    def ordered(inputs, state):
        seen.append(inputs.frame.ticket)
        state["n"] = state.get("n", 0) + 1

    kit.stage("jitter", jitter, gives=Detections)
    kit.stage("ordered", ordered, ordered=True)
    sink = kit.sink()
    items = make_captures(10_000)
    kit.source("list", lambda: list_source(items))
    with kit.pipeline(
        threads=4,
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "jitter", "use": "jitter"}, {"name": "ordered", "use": "ordered"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert seen == list(range(10_000))
    assert sink.tickets("a") == seen
    counts = summary.streams["a"]
    assert counts["captured"] == 10_000
    assert counts["partial"] == sum(n % 997 == 5 for n in range(10_000))
    assert counts["complete"] == 10_000 - counts["partial"]
    assert summary.balanced
    assert sink.finished == "closed"


def test_a_live_source_drops_by_age_and_the_order_stays(kit, make_captures, list_source):
    seen = []

    def slow(inputs, state):
        time.sleep(0.004)
        seen.append((inputs.frame.ticket, inputs.frame.seq))

    kit.stage("slow", slow, ordered=True)
    kit.source("live", lambda: list_source(make_captures(300), live=True, period_s=0.001))
    with kit.pipeline(
        threads=2,
        stream=[{"name": "a", "source": "live://", "in_flight": 1}],
        stage=[{"name": "slow", "use": "slow"}],
    ) as pipeline:
        summary = pipeline.run()
    tickets, seqs = zip(*seen, strict=True)
    assert list(tickets) == list(range(len(seen)))
    assert list(seqs) == sorted(set(seqs))
    counts = summary.streams["a"]
    assert counts["dropped"]["latest_wins"] > 0
    assert counts["captured"] == 300 == counts["complete"] + sum(counts["dropped"].values())
    assert counts["in_flight"] == 0


def test_a_stage_that_raises_once_leaves_one_partial_packet_and_is_blamed(
    kit, make_captures, list_source, caplog
):
    def fails_on_ten(inputs, state):
        if inputs.frame.ticket == 10:
            raise RuntimeError("boom")

    kit.stage("fragile", fails_on_ten, ordered=True)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(30)))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "middle", "use": "fragile"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert (summary.streams["a"]["failed"], summary.streams["a"]["complete"]) == (1, 29)
    error = sink.packets[10].outcome["middle"].error
    assert isinstance(error, StageError)
    assert "'middle'" in str(error)
    assert "kit_" in str(error)
    assert "RuntimeError: boom" in str(error)
    assert "boom" in caplog.text


def test_a_stage_that_keeps_failing_is_quarantined_for_that_stream_only(kit, make_captures, list_source):
    def hates_a(inputs, state):
        if inputs.frame.stream == "a":
            raise RuntimeError("not a")

    kit.stage("picky", hates_a)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(20)))
    with kit.pipeline(
        threads=1,
        stream=[{"name": name, "source": "list://", "in_flight": 1} for name in "ab"],
        stage=[{"name": "picky", "use": "picky", "quarantine_after": 4}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    outcomes = {name: [p.outcome["picky"] for p in sink.packets if p.frame.stream == name] for name in "ab"}
    assert [type(o) for o in outcomes["a"]] == [Failed] * 4 + [Quarantined] * 16
    assert all(isinstance(o, Ran) for o in outcomes["b"])


def test_on_error_stop_ends_the_run_and_aborts_the_sinks(kit, make_captures, list_source):
    def fails(inputs, state):
        if inputs.frame.ticket == 5:
            raise RuntimeError("enough")

    kit.stage("strict", fails, ordered=True)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(500)))
    pipeline = kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "strict", "use": "strict", "on_error": "stop"}],
        sink=[{"use": "collect"}],
    )
    with pytest.raises(StageError, match="enough"):
        pipeline.run()
    counts = pipeline.summary().streams["a"]
    assert counts["captured"] < 500
    assert counts["dropped"].get("aborted", 0) + counts["complete"] + counts["failed"] == counts["captured"]
    assert sink.finished == "aborted"


def test_every_fifth_frame_says_not_run_and_not_nothing_found(kit, make_captures, list_source, boxes):
    kit.stage("look", lambda inputs, state: boxes([]), gives=Detections)
    kit.stage("after", lambda inputs, state: None, takes={"boxes": Detections})
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(20)))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[
            {"name": "look", "use": "look", "every": 5},
            {"name": "after", "use": "after", "takes": {"boxes": "look"}},
        ],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    for packet in sink.packets:
        looked = packet.frame.ticket % 5 == 0
        assert packet.outcome["after"] == NotRun("no_input") or looked
        if looked:
            assert packet.outcome["look"].result.xyxy.shape == (0, 4)
        else:
            assert packet.outcome["look"] == NotRun("rate")
        assert packet.complete


def test_events_reach_the_sink_with_ids_that_a_second_run_repeats(kit, make_captures, list_source):
    def every_third(inputs, state):
        state["n"] = state.get("n", 0) + 1
        if state["n"] % 3 == 0:
            return StageOutput(
                events=(EventDraft(kind="count.third", subject="all", data={"n": state["n"]}),)
            )
        return None

    kit.stage("count", every_third, ordered=True)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(20, epoch=lambda n: n // 10)))
    ids = []
    for _ in range(2):
        sink.events.clear()
        with kit.pipeline(
            name="counter",
            stream=[{"name": "a", "source": "list://"}],
            stage=[{"name": "count", "use": "count"}],
            sink=[{"use": "collect"}],
        ) as pipeline:
            summary = pipeline.run()
        ids.append([event.id for event in sink.events])
        assert [event.data["n"] for event in sink.events] == [3, 6, 9, 3, 6, 9]  # the new epoch starts afresh
        assert [event.epoch for event in sink.events] == [0, 0, 0, 1, 1, 1]
        assert summary.sinks["collect"]["events"] == 6
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 6


def test_events_of_an_unordered_stage_are_refused(kit, make_captures, list_source):
    kit.stage("loose", lambda inputs, state: StageOutput(events=(EventDraft(kind="x"),)))
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(1)))
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}],
        stage=[{"name": "loose", "use": "loose"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    assert "ordered=True" in str(sink.packets[0].outcome["loose"].error)


def test_a_stage_takes_two_results(kit, make_captures, list_source, boxes):
    kit.stage("left", lambda inputs, state: boxes([[0, 0, 1, 1]]), gives=Detections)
    kit.stage("right", lambda inputs, state: boxes([[1, 1, 2, 2], [2, 2, 3, 3]]), gives=Detections)

    def both(inputs, state):
        return boxes(np.concatenate([inputs.results["a"].xyxy, inputs.results["b"].xyxy]))

    kit.stage("both", both, takes={"a": Detections, "b": Detections}, gives=Detections)
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(3)))
    with kit.pipeline(
        stream=[{"name": "s", "source": "list://"}],
        stage=[
            {"name": "l", "use": "left"},
            {"name": "r", "use": "right"},
            {"name": "both", "use": "both", "takes": {"a": "l", "b": "r"}},
        ],
        sink=[{"use": "collect"}],
    ) as pipeline:
        pipeline.run()
    assert all(len(packet.results["both"]) == 3 for packet in sink.packets)


def test_a_failing_source_ends_its_stream_and_not_the_others(kit, make_captures, list_source):
    from vedette.errors import SourceError

    kit.stage("pass", lambda inputs, state: None)
    sink = kit.sink()
    kit.source("good", lambda: list_source(make_captures(50)))
    kit.source("bad", lambda: list_source([*make_captures(5), SourceError("the cable is out")]))
    with kit.pipeline(
        stream=[{"name": "g", "source": "good://"}, {"name": "b", "source": "bad://"}],
        stage=[{"name": "pass", "use": "pass"}],
        sink=[{"use": "collect"}],
    ) as pipeline:
        summary = pipeline.run()
    assert (len(sink.tickets("g")), len(sink.tickets("b"))) == (50, 5)
    assert "the cable is out" in summary.streams["b"]["error"]
    assert summary.streams["g"]["error"] is None
