"""The C link against the Python box, over a line that drops, repeats, changes and reorders."""

import random
from itertools import pairwise

import pytest
from cdevice import FAILED, SENT, CLine
from line import CLEAN, SIDES, Faults

from vedette_bridge.vlp.baud import BaudSettled
from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Code
from vedette_bridge.vlp.events import AuthFailed, Down, Message, PeerError, PeerStats, Refused, Up
from vedette_bridge.vlp.frame import CONTROL, CTL, EVENT, LOG, RESULT, RPC, VENDOR, encode
from vedette_bridge.vlp.images import ImageLost, ImageReceived

S = 1_000_000
EACH = Faults.each(0.01)
KEY = bytes(range(32))
CHANNEL = VENDOR[0]


@pytest.fixture
def lines(library):
    """``lines(...)`` makes a line; all that its devices were lent must have come back in the end."""
    made = []

    def make(**options):
        made.append(CLine(library, **options))
        return made[-1]

    yield make
    for line in made:
        line.board.close()


def opened(line, within_us=2 * S):
    line.start()
    assert line.pass_time(within_us, lambda: both_up(line))
    return line


def both_up(line):
    return line.box.state == "up" and line.board.is_up() and line.box.terms.session == line.board.session


def device(**options):
    return LinkConfig(role="device", **options)


def of(line, side, kind):
    return [event for event in line.events[side] if isinstance(event, kind)]


def messages(line, side, ch):
    return [event.payload for event in of(line, side, Message) if event.ch == ch]


def payloads(count, low, high, seed):
    rng = random.Random(seed)
    return [
        number.to_bytes(4, "little") + rng.randbytes(rng.randint(low, high) - 4) for number in range(count)
    ]


def exchange(line, from_box, from_device, ch_box=RESULT, ch_device=EVENT, limit_us=120 * S):
    """Send all of both lists; what arrived."""
    waiting = {"box": list(reversed(from_box)), "device": list(reversed(from_device))}

    def push():
        while waiting["box"] and line.box.state == "up" and line.box.queued_bytes < 4096:
            line.box.send(ch_box, waiting["box"].pop())
            line.woken.add("box")
        while waiting["device"] and line.board.send(ch_device, waiting["device"][-1]) == 0:
            waiting["device"].pop()
        return not any(waiting.values()) and line.box.idle and line.board.idle()

    assert line.pass_time(limit_us, push)
    return messages(line, "device", ch_box), messages(line, "box", ch_device)


def test_a_session_opens_within_the_time_of_two_messages(lines):
    line = opened(lines(device=device(identity={1: "Eye"}, limits=Limits(maxpl=512, window=8))))
    assert line.now_us < 1 * S + 50_000
    up = of(line, "box", Up)[0]
    assert (up.maxpl, up.window, up.identity, up.caps) == (512, 8, {1: "Eye"}, 1 | 4 | 8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("baud", [None, 115_200, 921_600])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "paired"])
def test_nothing_is_lost_repeated_or_changed_with_one_percent_of_every_fault(lines, seed, baud, key):
    line = opened(
        lines(
            faults=EACH,
            baud=baud,
            seed=seed,
            box=LinkConfig(role="box", start_baud=baud, key=key),
            device=device(start_baud=baud, key=key, limits=Limits(maxpl=1024, window=8)),
        )
    )
    down, up = payloads(400, 16, 1000, seed), payloads(400, 16, 1000, seed + 100)
    assert exchange(line, down, up, RPC, RPC) == (down, up)
    assert not of(line, "box", Down)
    for side in SIDES:
        assert (
            min(line.ways[side].counts[name] for name in ("dropped", "duplicated", "corrupted", "reordered"))
            > 0
        )
    assert line.board.counts()["again"] > 0
    assert line.board.counts()["bad_tags"] == 0


@pytest.mark.parametrize("slots", [(1, 1), (2, 3), (32, 32)])
@pytest.mark.parametrize("maxpl", [64, 8192])
def test_every_number_of_slots_and_size_works(lines, slots, maxpl):
    line = opened(lines(slots=slots, faults=Faults.each(0.02), device=device(limits=Limits(maxpl=maxpl))))
    down, up = payloads(150, 16, maxpl, 1), payloads(150, 16, maxpl, 2)
    assert exchange(line, down, up, CHANNEL, CHANNEL) == (down, up)


def test_the_numbers_of_frames_wrap_around(lines):
    line = opened(lines(slots=(32, 32), latency_us=50, faults=Faults.each(0.001)))
    down, up = payloads(70_000, 8, 8, 1), payloads(70_000, 8, 8, 2)
    assert exchange(line, down, up) == (down, up)


@pytest.mark.parametrize("cut", [SIDES, ("box",), ("device",)])
@pytest.mark.parametrize("outage_us", [100_000, 700_000])
def test_an_outage_shorter_than_the_heartbeat_loses_nothing(lines, cut, outage_us):
    line = opened(lines(baud=921_600))
    down, up = payloads(300, 16, 512, 5), payloads(300, 16, 512, 6)
    begin = line.now_us + 20_000

    def fate(side, frame):
        return [] if side in cut and begin <= line.now_us < begin + outage_us else [frame]

    line.fate = fate
    assert exchange(line, down, up) == (down, up)
    assert not of(line, "box", Down)


def test_an_outage_longer_than_the_heartbeat_ends_the_session_and_tells(lines):
    line = opened(lines())
    for way in line.ways.values():
        way.cut = True
    for number in range(3):
        assert line.board.send(EVENT, b"lost", tag=10 + number) == 0
    line.pass_time(1_500_000)
    assert not line.board.is_up()
    assert line.board.done == [(FAILED, 10), (FAILED, 11), (FAILED, 12)]
    assert line.board.send(EVENT, b"no session") == -1
    for way in line.ways.values():
        way.cut = False
    assert line.pass_time(600_000, lambda: both_up(line))
    assert exchange(line, [], [b"after"]) == ([], [b"after"])


def test_what_is_lent_comes_back_in_order_when_the_box_has_it(lines):
    line = opened(lines(faults=EACH))
    sent = []

    def push():
        while len(sent) < 300 and line.board.send(EVENT, bytes(50), tag=len(sent)) == 0:
            sent.append(len(sent))
        return len(sent) == 300 and line.board.idle()

    assert line.pass_time(60 * S, push)
    assert line.board.done == [(SENT, tag) for tag in range(300)]


STEPS_US = [*range(0, 30_000, 1_000), *range(30_000, 700_000, 37_000)]


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "paired"])
@pytest.mark.parametrize("side", SIDES)
def test_a_restart_at_any_moment_brings_the_link_up_again_with_nothing_stale(lines, side, key):
    for step, at_us in enumerate(STEPS_US):
        box, dev = LinkConfig(role="box", key=key), device(key=key, boot_id=1)
        line = lines(box=box, device=dev, seed=step)
        line.start()
        line.pass_time(at_us)
        if line.board.is_up():
            assert line.board.send(EVENT, b"old") == 0
        if line.box.state == "up":
            line.box.send(RESULT, b"old")
        line.pass_time(at_us % 3_000)
        old = line.board
        line.restart(side, **({"boot_id": 2} if side == "device" else {}))
        line.events = {side: [] for side in SIDES}
        if side == "device":
            old.close()
        begin = line.now_us
        assert line.pass_time(S, lambda line=line, side=side: bool(of(line, side, Up)) and both_up(line))
        assert line.now_us - begin <= S
        for other in SIDES:  # what came before the new session is of no matter
            ups = [i for i, event in enumerate(line.events[other]) if isinstance(event, Up)]
            line.events[other] = line.events[other][ups[-1] if ups else 0 :]
        assert exchange(line, [b"new"], [b"new"]) == ([b"new"], [b"new"])


@pytest.mark.parametrize("faults", [CLEAN, EACH], ids=["clean", "damaged"])
def test_images_arrive_whole_and_in_order(lines, faults):
    line = opened(
        lines(faults=faults, baud=3_000_000, device=device(start_baud=3_000_000, limits=Limits(maxpl=1472)))
    )
    rng, sent = random.Random(1), []

    def push():
        while len(sent) < 60 and line.board.room(1) > 4:
            data = rng.randbytes(rng.choice((1, 23, 24, 25, 1432, 1433, 20_000)))
            handle, obj = line.board.send_image(data, t_capture_us=(1 << 40) + len(sent), tag=len(sent))
            assert handle
            sent.append((obj, data))
        return len(sent) == 60 and line.board.idle()

    assert line.pass_time(120 * S, push)
    got = of(line, "box", ImageReceived)
    assert [(image.header.obj, bytes(image.data)) for image in got] == sent
    assert not of(line, "box", ImageLost)
    header = got[7].header
    assert (header.fourcc, header.width, header.height, header.stride, header.deadline_ms) == (
        "GREY",
        3,
        5,
        7,
        11,
    )
    assert (header.t_capture_us, header.exposure_us) == ((1 << 40) + 7, 1_234_567)
    assert line.board.done == [(SENT, tag) for tag in range(60)]


@pytest.mark.parametrize("faults", [CLEAN, EACH], ids=["clean", "damaged"])
def test_an_image_given_up_never_arrives_and_every_other_does(lines, faults):
    line = opened(
        lines(faults=faults, baud=921_600, device=device(start_baud=921_600, limits=Limits(maxpl=512)))
    )
    rng, keep, aborted = random.Random(2), {}, {}
    for number in range(60):
        data = rng.randbytes(rng.randint(100, 20_000))
        handle, obj = line.board.send_image(data, tag=number)
        line.pass_time(rng.randrange(120_000))
        given_up = (
            number % 3 == 0 and line.board.abort_image(handle) == 0
            if (SENT, number) not in line.board.done
            else False
        )
        (aborted if given_up else keep)[number] = (obj, data)
    assert line.pass_time(60 * S, line.board.idle)
    assert len(aborted) > 5
    assert [(image.header.obj, bytes(image.data)) for image in of(line, "box", ImageReceived)] == list(
        keep.values()
    )
    assert {tag for kind, tag in line.board.done if kind == FAILED} == set(aborted)
    assert line.board.counts()["given_up"] == len(aborted)
    assert {lost.reason for lost in of(line, "box", ImageLost)} <= {"aborted"}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("faults", [CLEAN, EACH], ids=["clean", "damaged"])
def test_another_rate_holds(lines, faults, seed):
    start, fast = 115_200, 3_000_000
    line = opened(
        lines(
            baud=start,
            faults=faults,
            seed=seed,
            device=device(start_baud=start, bauds=(921_600, fast), limits=Limits(maxpl=1024, window=8)),
        )
    )
    before = payloads(20, 16, 200, seed)
    assert exchange(line, before, before) == (before, before)
    line.box.ask_baud(fast)
    line.woken.add("box")
    assert line.pass_time(2 * S, lambda: bool(of(line, "box", BaudSettled)) and line.board.idle())
    held = of(line, "box", BaudSettled)[0].held
    line.pass_time(3 * S)
    assert both_up(line)
    assert line.baud["box"] == line.baud["device"]
    assert held or faults is EACH
    after = payloads(200, 16, 1000, seed + 1)
    line.events = {side: [] for side in SIDES}
    assert exchange(line, after, after) == (after, after)


def test_a_rate_that_does_not_carry_is_left_again(lines):
    start, fast = 115_200, 3_000_000
    line = opened(lines(baud=start, device=device(start_baud=start, bauds=(fast,))))
    line.fate = lambda side, frame: [] if line.baud[side] == fast else [frame]
    assert line.board.send(EVENT, b"waits for the end of it", tag=1) == 0
    line.box.ask_baud(fast)
    line.woken.add("box")
    assert line.pass_time(2 * S, lambda: bool(of(line, "box", BaudSettled)))
    assert not of(line, "box", BaudSettled)[0].held
    assert line.pass_time(S, lambda: line.board.rates == [fast, start])
    assert line.pass_time(S, line.board.idle)
    assert messages(line, "box", EVENT) == [b"waits for the end of it"]
    assert not of(line, "box", Down)


def test_a_rate_that_the_device_does_not_have_is_refused(lines):
    line = opened(lines(baud=115_200, device=device(start_baud=115_200, bauds=(921_600,))))
    line.box.ask_baud(3_000_000)
    line.woken.add("box")
    assert line.pass_time(100_000, lambda: bool(of(line, "box", BaudSettled)))
    assert of(line, "box", BaudSettled) == [BaudSettled(115_200, held=False)]
    assert line.board.rates == []


def test_a_session_that_ends_brings_the_start_rate_back(lines):
    start, fast = 115_200, 3_000_000
    line = opened(lines(baud=start, device=device(start_baud=start, bauds=(fast,), boot_id=1)))
    line.box.ask_baud(fast)
    line.woken.add("box")
    assert line.pass_time(2 * S, lambda: bool(of(line, "box", BaudSettled)))
    begin = line.now_us
    line.board.close()
    line.restart("device", boot_id=2)
    assert line.pass_time(3 * S, lambda: both_up(line))
    assert line.now_us - begin <= 3 * S
    assert line.baud == {"box": start, "device": start}


def test_the_time_of_the_device_is_known_to_the_box(lines):
    line = opened(lines(device_ahead_us=77_000_000, drift=50e-6, jitter_us=300))
    line.pass_time(5 * S)
    fit = line.box.time.fit
    error = fit.to_local(line.clock("device")) - line.now_us
    assert abs(error) <= fit.uncertainty_us
    assert fit.uncertainty_us < 2_000


def test_a_wrong_key_and_no_key_and_a_key_where_there_is_none_are_refused(lines):
    for ours, its, reason in ((KEY, bytes(32), "key"), (None, KEY, "open"), (KEY, None, "unpaired")):
        line = lines(box=LinkConfig(role="box", key=ours), device=device(key=its))
        line.start()
        line.pass_time(S)
        assert of(line, "box", Refused)[0] == Refused(reason)
        assert not both_up(line)


@pytest.mark.parametrize("what", ["no tag", "a wrong tag", "a tag at level 0"])
def test_a_frame_without_a_right_tag_is_not_delivered(lines, what):
    key = None if what == "a tag at level 0" else KEY
    line = opened(lines(box=LinkConfig(role="box", key=key), device=device(key=key)))
    line.pass_time(S)
    session = line.box.terms.session
    vf = 1 << 5 | (0 if what == "no tag" else 1 << 1)
    for _ in range(3):
        line.inject("device", encode(vf, RPC, 0, 0, 8, CONTROL, bytes(30), session))
    line.pass_time(100_000)
    assert messages(line, "device", RPC) == []
    assert line.board.counts()["bad_tags"] == 3
    assert of(line, "box", AuthFailed) == [AuthFailed(here=False)]  # at most one a second
    line.box.send(RPC, b"the right one")
    assert line.pass_time(S, lambda: messages(line, "device", RPC) == [b"the right one"])


def test_a_datagram_gets_nothing_past_the_tags(lines):
    line = opened(lines(box=LinkConfig(role="box", key=KEY), device=device(key=KEY)))
    line.inject("device", encode(0, RPC, 0, 0, 8, CONTROL, b"\xa0", line.box.terms.session))
    line.box.send_datagram(LOG, b"this one may")
    line.pass_time(100_000)
    assert [(event.ch, event.reliable) for event in of(line, "device", Message)] == [(LOG, False)]
    assert of(line, "box", PeerError)[0].code == Code.AUTH


@pytest.mark.parametrize("code", [Code.UNKNOWN, Code.INVALID])
def test_what_cannot_be_used_is_counted_and_answered(lines, code):
    line = opened(lines())
    line.board.answer(int(code))
    line.box.send(RESULT, b"what?")
    line.pass_time(50_000)
    assert [(error.code, error.ch) for error in of(line, "box", PeerError)] == [(code, RESULT)]
    assert line.board.counts()["invalid"] == 1
    assert both_up(line)


@pytest.mark.parametrize(
    "payload", [b"", b"\x63", b"\x03", b"\x03\x02\x08\x00\x00\x00", b"\x03\x00\x08\x00\x00\x09", b"\x04"]
)
def test_control_messages_that_make_no_sense_are_counted_and_answered(lines, payload):
    line = opened(lines())
    line.inject("device", encode(0, CTL, 0, 0, 8, 0, payload, line.box.terms.session))
    line.pass_time(50_000)
    assert line.board.counts()["invalid"] == 1
    assert [error.ch for error in of(line, "box", PeerError)] == [CTL]
    assert both_up(line)


def test_counters_are_answered(lines):
    line = opened(lines(faults=EACH))
    exchange(line, payloads(200, 16, 500, 1), payloads(200, 16, 500, 2))
    for way in line.ways.values():
        way.faults = CLEAN
    line.box.ask_stats()
    line.woken.add("box")
    assert line.pass_time(S, lambda: bool(of(line, "box", PeerStats)))
    counters = of(line, "box", PeerStats)[0].counters
    mine = list(line.board.counts().values())
    assert len(counters) >= 9
    assert all(mine[key] >= value > 0 for key, value in counters.items())
    assert counters[8] == line.board.counts()["again"]


def test_a_hello_found_in_a_damaged_payload_does_not_end_the_session(lines):
    from vedette_bridge.vlp.control import Hello

    line = opened(lines())
    hello = Hello(session=99, maxpl=512, window=8, nonce=bytes(16)).encode()
    line.inject("device", encode(0, CTL, 0, 0, 0, 0, hello, 0))
    line.pass_time(600_000)
    line.inject("device", encode(0, CTL, 0, 0, 0, 0, hello, 0))
    line.pass_time(100_000)
    assert both_up(line)
    assert not of(line, "device", Down)


def test_goodbye_is_heard(lines):
    line = opened(lines())
    line.inject("device", line.box.close())
    assert not line.board.is_up()


@pytest.mark.parametrize(("share", "goal"), [(0.0, 0.95), (0.001, 0.95), (0.01, 0.90)])
def test_the_line_is_used(lines, share, goal):
    baud = 3_000_000
    line = opened(
        lines(
            baud=baud,
            partial=False,
            slots=(4, 16),
            faults=Faults.each(share),
            device=device(start_baud=baud, limits=Limits(maxpl=2048, window=16)),
        )
    )
    data, sent, begin = random.Random(1).randbytes(60_000), [0], line.now_us

    def push():
        while line.board.room(1) > 8 and sent[0] < 80 and line.board.send_image(data)[0]:
            sent[0] += 1
        return sent[0] == 80 and line.board.idle()

    assert line.pass_time(120 * S, push)
    assert len(of(line, "box", ImageReceived)) == 80
    assert 80 * len(data) / ((line.now_us - begin) / 1e6) >= goal * baud / 10


def test_a_frame_that_never_gets_through_ends_the_session_and_one_at_the_tenth_attempt_does_not(lines):
    for through in (10, 99):
        line, tries = opened(lines()), []

        def fate(side, frame, line=line, tries=tries, through=through):
            if frame[3] == EVENT:
                tries.append(line.now_us)
                return [frame] if len(tries) == through else []
            return [frame]

        line.fate = fate
        assert line.board.send(EVENT, b"at last", tag=5) == 0
        assert line.pass_time(20 * S, lambda line=line: bool(line.board.done))
        assert line.board.done == [(SENT if through == 10 else FAILED, 5)]
        assert len(tries) == 10
        gaps = [after - before for before, after in pairwise(tries)]
        assert gaps[0] >= 20_000
        assert gaps == sorted(gaps)
        assert max(gaps) <= 1_002_000
        assert line.pass_time(2 * S, lambda line=line: both_up(line))


@pytest.mark.parametrize("faults", [CLEAN, EACH], ids=["clean", "damaged"])
def test_a_box_without_room_is_sent_nothing_and_then_everything(lines, faults):
    line = opened(lines(faults=faults, slots=(16, 16), device=device(limits=Limits(window=8))))
    line.box.give_room(CONTROL, 0)
    sent = payloads(100, 16, 200, 1)
    waiting = list(reversed(sent))

    def push():
        while waiting and line.board.send(EVENT, waiting[-1]) == 0:
            waiting.pop()
        return not waiting and line.board.idle()

    assert not line.pass_time(5 * S, push)
    held = messages(line, "box", EVENT)
    assert held == sent[: len(held)]
    assert len(held) <= 8  # what was promised when the session began
    assert not of(line, "box", Down)
    line.box.give_room(CONTROL, 1)
    assert not line.pass_time(20_000, push)
    assert len(messages(line, "box", EVENT)) < 100
    line.box.give_room(CONTROL, 32)
    assert line.pass_time(60 * S, push)
    assert messages(line, "box", EVENT) == sent
