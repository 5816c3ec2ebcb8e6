"""What is sent arrives once, whole and in order, or its sender is told. On a virtual clock, seeded."""

from itertools import pairwise

import pytest
from line import CLEAN, SIDES, Faults
from pair import CHANNEL, Traffic, bring_up, messages, of_type, paired, settle

from vedette_bridge.vlp.config import Limits
from vedette_bridge.vlp.control import Caps
from vedette_bridge.vlp.events import Down, Message
from vedette_bridge.vlp.frame import BULK, CONTROL

BAUD = 3_000_000
LONG = Limits(maxpl=4096, timeout_us=5_000_000)
"""A link that outlasts every outage tried here."""


@pytest.mark.parametrize(("frames", "seed"), [(12_000, 1), (2_000, 2), (2_000, 3), (2_000, 4), (2_000, 5)])
def test_nothing_is_lost_doubled_wrong_or_out_of_order_on_a_bad_line(frames, seed):
    line = paired(Limits(maxpl=4096), faults=Faults.each(0.01), seed=seed)
    traffic = Traffic(line, frames, 64, 4096)
    assert traffic.run(600_000_000)
    assert traffic.wrong == 0
    assert not traffic.downs
    assert traffic.got == dict.fromkeys(SIDES, frames)
    assert settle(line)
    for side in SIDES:
        happened = line.ways[side].counts
        assert (
            min(happened[name] for name in ("dropped", "duplicated", "corrupted", "reordered")) > frames / 300
        )
        assert line.links[side].statistics()["tx_again"] > frames / 100


def test_the_numbers_of_frames_wrap_around_more_than_once():
    line = paired(Limits(maxpl=64), faults=Faults.each(0.002), latency_us=50)
    traffic = Traffic(line, 140_000, 8, 8, ways=("device",))
    assert traffic.run(600_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])


def test_a_peer_that_takes_frames_in_order_only_gets_all():
    line = paired(
        Limits(maxpl=1024, window=8), faults=Faults.each(0.01), baud=BAUD, device={"caps": Caps.IN_ORDER}
    )
    traffic = Traffic(line, 3_000, 64, 1024)
    assert traffic.run(60_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])


@pytest.mark.parametrize("window", [1, 2, 3, 32])
@pytest.mark.parametrize("maxpl", [64, 8192])
def test_every_window_and_size_works(window, maxpl):
    line = paired(Limits(maxpl=maxpl, window=window), faults=Faults.each(0.02), latency_us=300)
    traffic = Traffic(line, 300, 16, maxpl)
    assert traffic.run(600_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])


@pytest.mark.parametrize("cut", [SIDES, ("box",), ("device",)])
@pytest.mark.parametrize("outage_us", [100_000, 500_000, 1_000_000, 2_000_000])
def test_an_outage_is_over_soon_after_the_line_is_back(outage_us, cut):
    line = paired(LONG, baud=BAUD, start_baud=BAUD)
    traffic = Traffic(line, 4_000, 1024, 1024)
    assert not traffic.run(300_000)
    for side in cut:
        line.ways[side].cut = True
    assert not traffic.run(outage_us)
    for side in cut:
        line.ways[side].cut = False
    back, before = line.now_us, dict(traffic.got)
    limit = max(1.5 * link.rtt.rto_us + 2 * (link.rtt.srtt_us or 0) for link in line.links.values())
    assert traffic.run(int(limit), lambda: all(traffic.got[side] > before[side] for side in SIDES))
    assert line.now_us - back <= limit
    assert traffic.run(60_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])


@pytest.mark.parametrize("outage_us", [1_200_000, 2_000_000])
def test_after_an_outage_longer_than_the_time_out_the_sender_knows_what_failed_and_the_link_comes_back(
    outage_us,
):
    line = paired(Limits(maxpl=1024), baud=BAUD, start_baud=BAUD)
    line.links["box"].send(CHANNEL, b"before")
    assert settle(line)
    for way in line.ways.values():
        way.cut = True
    lost = [line.links["box"].send(CHANNEL, b"lost %d" % i) for i in range(3)]
    line.pass_time(outage_us)
    for way in line.ways.values():
        way.cut = False
    assert of_type(line, "box", Down) == [Down("silent", 3)]
    assert {message.state for message in lost} == {"failed"}
    begin = line.now_us
    assert bring_up(line)
    assert line.now_us - begin < 600_000
    line.links["box"].send(CHANNEL, b"after")
    assert settle(line)
    assert messages(line, "device") == [b"before", b"after"]


@pytest.mark.parametrize("bursts", [(0.01, 0.3), (0.02, 0.1), (0.3, 0.3)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bursts_of_loss_delay_and_lose_nothing(bursts, seed):
    line = paired(LONG, baud=BAUD, start_baud=BAUD, seed=seed)
    for way in line.ways.values():
        way.faults = Faults(bursts=bursts)
    traffic = Traffic(line, 1_000, 64, 1472)
    traffic.run(1_000_000)
    for way in line.ways.values():
        way.faults, way.bad = CLEAN, False
    assert traffic.run(60_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])


def test_a_frame_that_never_gets_through_ends_the_session():
    line = paired(LONG)

    def swallow(side, frame):
        return [] if frame[3] == CHANNEL else line.by_chance(side, frame)

    line.fate = swallow
    message = line.links["box"].send(CHANNEL, b"never")
    assert line.pass_time(20_000_000, lambda: bool(of_type(line, "box", Down)))
    assert of_type(line, "box", Down) == [Down("no answer", 1)]
    assert message.state == "failed"


def test_a_frame_that_gets_through_at_its_tenth_attempt_is_delivered():
    line, tries = paired(LONG), []

    def swallow(side, frame):
        if frame[3] == CHANNEL:
            tries.append(line.now_us)
            return [frame] if len(tries) == 10 else []
        return line.by_chance(side, frame)

    line.fate = swallow
    line.links["box"].send(CHANNEL, b"at last")
    assert settle(line)
    assert messages(line, "device") == [b"at last"]
    gaps = [after - before for before, after in pairwise(tries)]
    assert gaps[0] >= 200_000  # nothing is known of the round trip
    assert all(after >= before for before, after in pairwise(gaps))
    assert max(gaps) <= 1_001_000


def test_what_waits_is_acknowledged_within_two_milliseconds_of_the_last_frame():
    line = paired(latency_us=100)
    settle(line)
    begin = line.now_us
    message = line.links["box"].send(CHANNEL, b"one")
    assert line.pass_time(100_000, lambda: message.state == "delivered")
    assert line.now_us - begin <= 2_000 + 2 * 100 + 10


@pytest.mark.parametrize(("share", "goal"), [(0.0, 0.95), (0.001, 0.95), (0.01, 0.90)])
@pytest.mark.parametrize(
    ("size", "window", "latency_us"), [(1024, 32, 1_000), (1472, 8, 500), (4096, 8, 1_000)]
)
def test_the_line_is_used(share, goal, size, window, latency_us):
    line = paired(
        Limits(maxpl=4096, window=window),
        baud=BAUD,
        start_baud=BAUD,
        latency_us=latency_us,
        faults=Faults.each(share) if share else CLEAN,
    )
    traffic = Traffic(line, 2_000 * 1024 // size, size, size, ways=("device",))
    begin = line.now_us
    assert traffic.run(60_000_000)
    seconds = (line.now_us - begin) / 1e6
    assert traffic.bytes / seconds >= goal * BAUD / 10


def test_a_request_waits_for_little_more_than_a_frame_under_full_bulk_load():
    line = paired(Limits(maxpl=4096), baud=BAUD, start_baud=BAUD, latency_us=200)
    frame_us = (1472 + 20) * 10_000_000 // BAUD
    waited, asked = [], [0]

    def on_event(side, event):
        if isinstance(event, Message) and event.ch == CHANNEL + 1:
            if side == "device":
                line.links["device"].send(CHANNEL + 1, event.payload, sid=CONTROL)
            else:
                waited.append(line.now_us - asked[0])

    line.on_event = on_event
    for number in range(400):
        for side in SIDES:
            while line.links[side].queued_bytes < 100_000:
                line.links[side].send(CHANNEL, bytes(1472), sid=BULK)
        asked[0] = line.now_us
        line.links["box"].send(CHANNEL + 1, bytes(40), sid=CONTROL)
        assert line.pass_time(1_000_000, lambda number=number: len(waited) > number)
        line.pass_time(line.rng.randrange(20_000))
    assert sorted(waited)[395] <= 2 * frame_us + 5_000


def test_acknowledgements_of_bulk_are_not_starved_by_the_control_stream():
    """Frames of the control stream go first, and do not say what was received of bulk."""
    line = paired(Limits(maxpl=4096), baud=BAUD, start_baud=BAUD)
    for _ in range(600):
        line.links["box"].send(CHANNEL, bytes(4096), sid=CONTROL)
        line.links["box"].send(CHANNEL, bytes(64), sid=BULK)
    sent = [line.links["device"].send(CHANNEL, bytes(64), sid=BULK) for _ in range(20)]
    assert line.pass_time(200_000, lambda: all(message.state == "delivered" for message in sent))
    assert line.links["device"].statistics()["tx_again"] == 0


def test_waiting_for_the_line_is_no_busy_loop():
    """When the link says that it is due, it has something to do."""
    line = paired(Limits(maxpl=8192), baud=115_200, start_baud=115_200)
    steps = [0]
    for side in SIDES:
        for _ in range(40):
            line.links[side].send(CHANNEL, bytes(1024), sid=BULK)

    def count():
        steps[0] += 1
        return False

    line.pass_time(2_000_000, count)
    frames = sum(line.ways[side].counts["frames"] for side in SIDES)
    assert steps[0] < 6 * frames


def test_repeated_acknowledgements_cannot_start_a_storm():
    """To one who takes frames in order only all are sent again; what then comes twice is acknowledged again."""
    line = paired(
        Limits(maxpl=1024, window=8), faults=Faults.each(0.01), baud=BAUD, device={"caps": Caps.IN_ORDER}
    )  # no start_baud: the sender does not know the line, and hands out more than it holds
    traffic = Traffic(line, 2_000, 64, 1024)
    assert traffic.run(60_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])
    assert line.links["box"].statistics()["tx_again"] < 2_000


def test_a_line_that_is_slower_than_anybody_knows_is_no_reason_to_give_up():
    """A window takes 3 s here: a frame is late when nothing is answered, not when those before it take their time."""
    line = paired(Limits(maxpl=4096, window=8), baud=115_200, faults=Faults.each(0.005))
    traffic = Traffic(line, 100, 4096, 4096, ways=("device",))
    assert traffic.run(120_000_000)
    assert (traffic.wrong, traffic.downs) == (0, [])
    assert line.links["device"].statistics()["tx_again"] < 30
