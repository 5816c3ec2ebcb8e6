"""The MicroPython link against the Python box, over a line that drops, repeats, changes and reorders."""

import random

import pytest
import vlp
import vlp_frame
from board import WRAP_US, BoardLine, plain
from line import CLEAN, Faults

from vedette_bridge.vlp.baud import BaudSettled
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import AuthFailed, Down, Message, PeerError, PeerStats, Refused, Up
from vedette_bridge.vlp.frame import CTL, EVENT, RESULT, RPC, encode, payload_for, stall_us
from vedette_bridge.vlp.messages import Detection, result_payloads

S = 1_000_000
EACH = Faults.each(0.01)
KEY = bytes(range(32))


def opened(line, within_us=2 * S):
    line.start()
    line.run(line.now_us + within_us, lambda: both_up(line))
    assert both_up(line)
    return line


def both_up(line):
    return line.box.state == "up" and line.board.link.is_up()


def messages(line, side, ch):
    return [event.payload for event in line.events[side] if isinstance(event, Message) and event.ch == ch]


def of(line, side, kind):
    return [event for event in line.events[side] if isinstance(event, kind)]


def exchange(line, from_box, from_device, ch_box=RESULT, ch_device=EVENT, limit_us=120 * S):
    """Send all of both lists; what arrived."""
    waiting = {"box": list(reversed(from_box)), "device": list(reversed(from_device))}

    def push():
        while waiting["box"] and line.box.state == "up" and line.box.queued_bytes < 4096:
            line.box.send(ch_box, waiting["box"].pop())
            line.woken.add("box")
        while waiting["device"] and line.board.link.room(vlp.CONTROL):
            assert line.board.link.send(ch_device, waiting["device"].pop())
        done = not waiting["box"] and not waiting["device"]
        return done and line.box.idle and line.board.link.idle()

    line.run(line.now_us + limit_us, push)
    return messages(line, "device", ch_box), messages(line, "box", ch_device)


def payloads(count, low, high, seed):
    rng = random.Random(seed)
    return [
        number.to_bytes(4, "little") + rng.randbytes(rng.randint(low, high) - 4) for number in range(count)
    ]


def test_a_session_opens_within_the_time_of_two_messages():
    line = opened(BoardLine(plain(identity=b"\xa1\x01\x63Eye")))
    assert line.now_us < 1_000_000 + 50_000
    up = of(line, "box", Up)[0]
    assert (up.maxpl, up.window, up.identity, up.caps) == (512, 8, {1: "Eye"}, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("baud", [None, 921_600])
def test_nothing_is_lost_repeated_or_changed_with_one_percent_of_every_fault(seed, baud):
    line = BoardLine(plain(baud=baud or 0), faults=EACH, baud=baud, seed=seed)
    opened(line)
    down, up = payloads(400, 16, 512, seed), payloads(400, 16, 512, seed + 100)
    assert exchange(line, down, up) == (down, up)
    assert not of(line, "box", Down)
    assert sum(line.ways["box"].counts.values()) > line.ways["box"].counts["frames"]  # faults there were


def test_losses_are_counted():
    line = opened(BoardLine(plain(), faults=EACH, seed=9))
    down, up = payloads(500, 16, 256, 1), payloads(500, 16, 256, 2)
    assert exchange(line, down, up) == (down, up)
    stats = line.board.link.statistics()
    assert min(stats[n] for n in (0, 1, 2, 3, 4, 7, 8, 11)) > 0
    assert stats[5] + stats[6] > 0
    for way in line.ways.values():
        way.faults = CLEAN
    line.box.ask_stats()
    line.woken.add("box")
    line.run(line.now_us + S, lambda: bool(of(line, "box", PeerStats)))
    counters = of(line, "box", PeerStats)[0].counters
    assert set(counters) == set(range(13))
    assert counters[8] == stats[8] > 0


def test_holes_that_the_box_reports_are_filled_without_waiting():
    line = opened(BoardLine(plain()))
    exchange(line, [], payloads(40, 16, 64, 1))  # the round trip is known
    line.ways["device"].faults = Faults(drop=0.03)
    link = line.board.link
    before = line.now_us
    up = payloads(600, 64, 64, 3)
    line.events["box"].clear()
    assert exchange(line, [], up)[1] == up
    again = link.statistics()[8]
    lost = line.ways["device"].counts["dropped"]
    assert lost <= again <= 2 * lost  # not everything again
    assert line.now_us - before < 3 * S


@pytest.mark.parametrize("cut", ["box", "device", "both"])
@pytest.mark.parametrize("outage_us", [100_000, 700_000])
def test_an_outage_shorter_than_the_heartbeat_loses_nothing(cut, outage_us):
    line = opened(BoardLine(plain()))
    down, up = payloads(200, 16, 512, 5), payloads(200, 16, 512, 6)
    sides = ("box", "device") if cut == "both" else (cut,)
    begin = line.now_us + 20_000

    def fate(side, frame):
        return [] if side in sides and begin <= line.now_us < begin + outage_us else [frame]

    line.fate = fate
    assert exchange(line, down, up) == (down, up)
    assert line.now_us > begin + outage_us
    assert not of(line, "box", Down)


def test_a_long_outage_ends_the_session_and_a_new_one_comes():
    line = opened(BoardLine(plain()))
    for way in line.ways.values():
        way.cut = True
    line.board.link.send(EVENT, b"gone")
    line.run(line.now_us + 2 * S)
    assert [event.reason for event in of(line, "device", Down)] == ["silent"]
    assert of(line, "device", Down)[0].failed == 1
    assert not line.board.link.is_up()
    assert not line.board.link.send(EVENT, b"no session")
    for way in line.ways.values():
        way.cut = False
    clean = line.now_us
    line.run(line.now_us + 2 * S, lambda: both_up(line))
    assert line.now_us - clean < S
    assert b"gone" not in messages(line, "box", EVENT)


@pytest.mark.parametrize("at_us", [0, 300, 900, 1_500, 2_500, 5_000, 50_000, 333_000])
@pytest.mark.parametrize("side", ["box", "device"])
def test_a_restart_at_any_moment_is_up_again_within_a_second(side, at_us):
    line = BoardLine(plain())
    line.start()
    line.run(line.now_us + at_us)
    for number in range(4):
        line.board.link.send(EVENT, b"old" + bytes([number]))
    before = len(line.events["box"])
    line.restart(side)
    begin = line.now_us
    line.events["box"] = line.events["box"][:before]
    line.run(begin + 2 * S, lambda: both_up(line) and line.now_us > begin + 150_000)
    line.run(line.now_us + 20_000)
    assert both_up(line)
    assert line.now_us - begin < S
    down, up = payloads(20, 16, 64, 1), payloads(20, 16, 64, 2)
    seen = len(messages(line, "box", EVENT))
    assert exchange(line, down, up)[1][seen:] == up


def test_nothing_of_an_old_session_is_delivered():
    line = opened(BoardLine(plain()))
    old = line.box.terms.session
    line.restart("box")
    line.run(line.now_us + S, lambda: both_up(line))
    line.events["device"].clear()
    before = line.board.link.statistics()[5]
    for seq in range(8):
        line.inject("device", encode(1 << 5, RESULT, seq, 0, 8, 0, b"stale", old))
    line.run(line.now_us + 100_000)
    assert not messages(line, "device", RESULT)
    assert line.board.link.statistics()[5] == before + 8


def test_a_hello_inside_a_session_counts_only_the_second_time():
    line = opened(BoardLine(plain()))
    hello = bytes([1, 1, 1, 0]) + (99).to_bytes(4, "little") + bytes([0, 2, 8, 0]) + bytes(20)
    frame = encode(0, CTL, 0, 0, 0, 0, hello, 0)
    line.inject("device", frame)
    line.run(line.now_us + 2 * S)  # valid frames come in between
    assert not of(line, "device", Down)
    line.ways["box"].cut = True
    line.inject("device", frame)
    line.run(line.now_us + 5_000)
    assert not of(line, "device", Down)
    line.inject("device", frame)
    line.run(line.now_us + 5_000)
    assert [event.reason for event in of(line, "device", Down)] == ["peer restarted"]


@pytest.mark.parametrize(("key", "ch_box", "ch_device"), [(None, RESULT, EVENT), (KEY, RPC, RPC)])
def test_sequence_numbers_and_ticks_wrap(key, ch_box, ch_device):
    """65536 messages, and the 2**30 microseconds of a board's ticks, pass on the way."""
    line = BoardLine(plain(key=key), LinkConfig(role="box", key=key), device_ahead_us=WRAP_US - 2 * S)
    opened(line)
    before = line.board.link.time_us()
    device = line.board.link
    for stream in device._session.streams:  # both sides as they are after 65500 frames
        stream.next = stream.expected = 65_500
        stream._edge = stream._promised = 65_500 + stream.window
    for sending in line.box._session.sending:
        sending._next, sending._edge = 65_500, 65_500 + sending._window
    for receiving in line.box._session.receiving:
        receiving._next, receiving._edge = 65_500, 65_500 + receiving._window
    down, up = payloads(300, 16, 500, 5), payloads(300, 16, 500, 6)
    assert exchange(line, down, up, ch_box, ch_device) == (down, up)
    line.run(line.now_us + 3 * S)
    assert not of(line, "box", Down)
    assert device._session.streams[0].next > 65_536
    assert device.time_us() - before > 3 * S
    assert device.time_us() >= WRAP_US


def test_the_box_knows_the_time_of_the_device_across_a_wrap():
    line = BoardLine(plain(), device_ahead_us=WRAP_US - 3 * S, jitter_us=200)
    opened(line)
    for _ in range(5):
        line.run(line.now_us + S)
        fit = line.box.time.fit
        error = fit.to_remote(line.now_us) - line.board.link.time_us()
        assert abs(error) <= fit.uncertainty_us + 1_000  # a board that polls once a millisecond


def test_an_unknown_channel_and_a_message_without_sense_are_answered():
    line = opened(BoardLine(plain()))
    line.inject("device", encode(1 << 5, 20, 0, 0, 8, 0, b"?", line.box.terms.session))
    line.run(line.now_us + 50_000)
    assert of(line, "box", PeerError) == [PeerError(1, 20, 0)]
    line.inject("device", encode(0, CTL, 5, 0, 8, 0, bytes([4, 0]), line.box.terms.session))
    line.run(line.now_us + 50_000)
    assert of(line, "box", PeerError)[1] == PeerError(2, CTL, 5)
    assert line.board.link.statistics()[10] == 1
    assert both_up(line)


def test_a_device_without_room_is_sent_it_again():
    refusals = []

    def make(board, ticks, rng):
        def on_message(ch, vf, payload, reliable):
            if len(refusals) < 3:
                refusals.append(bytes(payload))
                return vlp.LATER
            board.on_message(ch, vf, payload, reliable)
            return None

        return vlp.Link(board.port, on_message, ticks=ticks, random=rng)

    line = opened(BoardLine(make))
    down = payloads(30, 16, 64, 1)
    assert exchange(line, down, [])[0] == down
    assert refusals == [down[0]] * 3


def test_credit_holds_the_box_back_and_is_given_again():
    line = opened(BoardLine(plain(control_slots=2, window=4)))
    line.ways["device"].cut = True
    link = line.board.link
    assert link.send(EVENT, b"a")
    assert link.send(EVENT, b"b")
    assert not link.send(EVENT, b"c")
    line.run(line.now_us + 100_000)
    line.ways["device"].cut = False
    down = payloads(100, 16, 64, 3)
    assert exchange(line, down, [])[0] == down
    assert messages(line, "box", EVENT) == [b"a", b"b"]


@pytest.mark.parametrize("faults", [Faults(), EACH])
def test_a_paired_link_carries_requests_both_ways(faults):
    line = BoardLine(plain(key=KEY), LinkConfig(role="box", key=KEY), faults=faults, seed=3)
    opened(line)
    assert of(line, "box", Up)[0].paired
    down, up = payloads(150, 16, 500, 1), payloads(150, 16, 500, 2)
    assert exchange(line, down, up, RPC, RPC) == (down, up)
    assert not of(line, "box", AuthFailed)


@pytest.mark.parametrize(
    ("device", "box", "reason"),
    [(KEY, None, "open"), (None, KEY, "unpaired"), (KEY, bytes(32), "key")],
)
def test_a_wrong_key_opens_no_session(device, box, reason):
    line = BoardLine(plain(key=device), LinkConfig(role="box", key=box))
    line.start()
    line.run(line.now_us + S)
    assert line.box.state == "opening"
    assert not line.board.link.is_up()
    assert {event.reason for event in of(line, "box", Refused)} == {reason}


def test_a_request_without_its_tag_is_neither_delivered_nor_acknowledged():
    line = BoardLine(plain(key=KEY), LinkConfig(role="box", key=KEY))
    opened(line)
    salt = line.box.terms.session
    for payload, vf in ((b"no tag", 1 << 5), (b"wrong tag 12345678", 1 << 5 | 2)):
        line.inject("device", encode(vf, RPC, 0, 0, 8, 0, payload, salt))
        line.inject("device", encode(0, RPC, 0, 0, 8, 0, payload, salt))  # nor as a datagram
        line.run(line.now_us + 20_000)
    assert not messages(line, "device", RPC)
    assert line.board.link.statistics()[9] == 2
    assert len(of(line, "box", AuthFailed)) == 1  # at most once a second
    assert exchange(line, [b"right"], [], RPC, RPC)[0] == [b"right"]


@pytest.mark.parametrize(("offered", "held"), [((921_600,), True), ((), False), ((460_800,), False)])
def test_the_rate_changes_if_the_board_can(offered, held):
    line = BoardLine(plain(baud=115_200, bauds=offered), baud=115_200)
    opened(line)
    line.box.ask_baud(921_600)
    line.woken.add("box")
    line.run(line.now_us + S, lambda: bool(of(line, "box", BaudSettled)))
    assert of(line, "box", BaudSettled) == [BaudSettled(921_600 if held else 115_200, held=held)]
    assert line.baud["device"] == line.baud["box"] == (921_600 if held else 115_200)
    down, up = payloads(50, 16, 256, 1), payloads(50, 16, 256, 2)
    assert exchange(line, down, up) == (down, up)


def test_silence_brings_both_sides_to_the_start_rate():
    line = BoardLine(plain(baud=115_200, bauds=(921_600,)), baud=115_200)
    opened(line)
    line.box.ask_baud(921_600)
    line.woken.add("box")
    line.run(line.now_us + S)
    assert line.baud == {"box": 921_600, "device": 921_600}
    for way in line.ways.values():
        way.cut = True
    line.run(line.now_us + 2 * S)
    for way in line.ways.values():
        way.cut = False
    line.run(line.now_us + S, lambda: both_up(line))
    assert line.baud == {"box": 115_200, "device": 115_200}
    assert exchange(line, [b"x"], [b"y"]) == ([b"x"], [b"y"])


def test_a_rate_that_does_not_hold_is_left_again():
    line = BoardLine(plain(baud=115_200, bauds=(3_000_000,)), baud=115_200)
    opened(line)
    line.fate = lambda side, frame: [bytes(len(frame)) if line.baud[side] == 3_000_000 else frame]
    line.box.ask_baud(3_000_000)
    line.run(
        line.now_us + 2 * S, lambda: line.baud["device"] == 115_200 and bool(of(line, "box", BaudSettled))
    )
    line.run(line.now_us + 600_000)
    assert of(line, "box", BaudSettled) == [BaudSettled(115_200, held=False)]
    assert line.baud == {"box": 115_200, "device": 115_200}
    assert exchange(line, [b"x"], [b"y"]) == ([b"x"], [b"y"])


def test_one_message_is_acknowledged_before_it_is_sent_again():
    line = opened(BoardLine(plain()))
    line.run(line.now_us + 300_000)
    begin = line.now_us
    assert exchange(line, [b"one"], [])[0] == [b"one"]
    assert line.now_us - begin < 6_000  # two ways of 0.5 ms, 2 ms, polls of 1 ms
    assert line.box.statistics()["tx_again"] == 0


def test_a_partial_frame_is_given_up_after_20_ms():
    line = opened(BoardLine(plain()))
    line.run(line.now_us + 320_000)
    whole = encode(1 << 5, RESULT, 0, 0, 8, 0, bytes(500), line.box.terms.session)
    line.inject("device", whole[:100])
    line.run(line.now_us + 15_000)
    assert line.board.link._reader.partial()
    line.run(line.now_us + 10_000)
    assert not line.board.link._reader.partial()
    assert line.board.link.statistics()[4] == 100


@pytest.mark.parametrize("baud", [0, 9_600, 115_200, 921_600, 3_000_000, 12_000_000])
@pytest.mark.parametrize("maxpl", [64, 200, 512, 8192])
def test_frames_and_stalls_are_those_of_the_host(baud, maxpl):
    assert vlp_frame.frame_payload(baud, maxpl) == payload_for(baud or None, maxpl)
    assert abs(vlp_frame.stall_us(baud, maxpl) - stall_us(baud or None, maxpl)) < 1_000


def test_a_greeting_counts_on_its_channel_only():
    line = BoardLine(plain())
    hello = bytes([1, 1, 1, 0]) + (99).to_bytes(4, "little") + bytes([0, 2, 8, 0]) + bytes(20)
    line.inject("device", encode(0, RESULT, 0, 0, 0, 0, hello, 0))
    line.inject("device", encode(1 << 5, RPC, 0, 0, 0, 0, hello, 0))
    line.run(line.now_us + 5_000)
    assert not line.board.link._session.number
    line.inject("device", encode(0, CTL, 0, 0, 0, 0, hello, 0))
    line.run(line.now_us + 5_000)
    assert line.board.link._session.number == 99


def test_what_is_out_of_order_is_dropped_and_is_no_duplicate():
    line = opened(BoardLine(plain()))
    line.inject("device", encode(1 << 5, RESULT, 1, 0, 8, 0, b"second", line.box.terms.session))
    line.run(line.now_us + 10_000)
    assert not messages(line, "device", RESULT)
    assert line.board.link.statistics()[7] == 0
    assert exchange(line, [b"first", b"second"], [])[0] == [b"first", b"second"]
    line.inject("device", encode(1 << 5, RESULT, 1, 0, 8, 0, b"second", line.box.terms.session))
    line.run(line.now_us + 10_000)
    assert messages(line, "device", RESULT) == [b"first", b"second"]
    assert line.board.link.statistics()[7] == 1


def test_only_a_greeting_counts_without_the_salt():
    line = opened(BoardLine(plain()))
    before = line.board.link.statistics()
    line.board.port.incoming += encode(0, CTL, 0, 0, 0, 0, bytes([4]) + bytes(15), 0)
    line.board.device.poll()
    after = line.board.link.statistics()
    assert (after[0], after[4]) == (before[0], before[4] + 36)


def test_frames_that_never_arrive_end_the_session():
    line = opened(BoardLine(plain()))
    line.fate = lambda side, frame: [] if side == "device" and frame[2] & 1 << 5 else [frame]
    line.board.link.send(EVENT, b"never")
    line.run(line.now_us + 20 * S, lambda: bool(of(line, "device", Down)))
    assert of(line, "device", Down) == [Down("no answer", 1)]
    assert line.board.link.statistics()[8] == 9


def test_silence_is_noticed_across_a_wrap_of_the_ticks():
    line = opened(BoardLine(plain(), device_ahead_us=WRAP_US - 2 * S))
    line.run(WRAP_US - line.clock("device") + line.now_us - S // 2)
    for way in line.ways.values():
        way.cut = True
    line.run(line.now_us + 2 * S)
    assert [event.reason for event in of(line, "device", Down)] == ["silent"]


def test_room_that_comes_back_is_told_at_once():
    line = opened(BoardLine(plain(control_slots=1, window=4)))
    line.run(line.now_us + 320_000)
    begin = line.now_us
    line.fate = lambda side, frame: [] if frame[3] == EVENT and line.now_us < begin + 150_000 else [frame]
    line.board.link.send(EVENT, b"takes the only slot")
    down = payloads(12, 16, 32, 1)
    for payload in down:
        line.box.send(RESULT, payload)
    line.woken.add("box")
    line.run(begin + 140_000)
    assert messages(line, "device", RESULT) == down[:4]
    line.run(begin + 2 * S, lambda: bool(messages(line, "box", EVENT)))
    line.run(line.now_us + 30_000)
    assert messages(line, "device", RESULT) == down


def test_a_device_that_is_held_back_asks_for_room_though_it_sends_images():
    line = opened(BoardLine(plain(baud=115_200), baud=115_200))
    pings = []

    def fate(side, frame):
        if side == "device" and frame[3] == CTL and frame[16] == 4:
            pings.append(line.now_us)
        return [frame]

    line.fate = fate
    line.box.give_room(0, 0)
    link = line.board.link
    link.send_image(bytes(40_000), b"GREY", 200, 200, 0)

    def push():
        link.send(EVENT, b"more")

    line.run(line.now_us + 2 * S, push)
    assert 6 <= len(pings) <= 9
    line.box.give_room(0, 8)
    line.run(line.now_us + S, push)
    assert len(messages(line, "box", EVENT)) > 20


def test_noise_and_floods_stay_within_the_buffer():
    rng = random.Random(4)
    line = opened(BoardLine(plain(maxpl=64)))
    link = line.board.link
    size = len(link._reader._data)
    for _ in range(50):
        line.inject("device", rng.randbytes(1000))
        line.inject("device", b"\xff\x9e" * 200)
        line.inject("device", encode(0, EVENT, 0, 0, 0, 0, bytes(8000), line.box.terms.session))
        line.run(line.now_us + 30_000)
    assert len(link._reader._data) == size == 84
    assert both_up(line)
    down = [
        payload
        for found in ([Detection(1, 0.5, 1, 2, 3, 4)],)
        for payload in result_payloads(1, 2, found, 64)
    ]
    assert exchange(line, down, [b"alive"]) == (down, [b"alive"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxpl": 63},
        {"maxpl": 8193},
        {"window": 0},
        {"window": 33},
        {"key": b"short"},
        {"identity": bytes(193)},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"maxpl|identity"):
        vlp.Link(None, None, random=bytes, **wrong)


@pytest.mark.parametrize("ch", [0, 4, 9, 31, 128])
def test_a_channel_that_takes_no_message_is_refused(ch):
    line = opened(BoardLine(plain()))
    with pytest.raises(ValueError, match="channel"):
        line.board.link.send(ch, b"x")
    with pytest.raises(ValueError, match="too long"):
        line.board.link.send(EVENT, bytes(513))


def test_goodbye():
    line = opened(BoardLine(plain()))
    line.board.link.close()
    line.run(line.now_us + 20_000)
    assert [event.reason for event in of(line, "box", Down)] == ["peer closed"]
    line.run(line.now_us + S)
    assert not line.board.link.poll()
    line = opened(BoardLine(plain()))
    line._send("box", line.box.close())
    line.run(line.now_us + 20_000)
    assert [event.reason for event in of(line, "device", Down)] == ["peer closed"]
