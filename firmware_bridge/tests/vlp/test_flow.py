"""Credit, freshness, and peers that break the rules of both: bounded, and nothing that was promised is lost."""

import zlib

import pytest
from line import Faults
from pair import CHANNEL, both_up, messages, of_type, paired, settle

from vedette_bridge.errors import ParameterError, QueueFullError
from vedette_bridge.vlp.config import Limits
from vedette_bridge.vlp.control import AckRecord, Ping, encode_ack
from vedette_bridge.vlp.events import Down, ImageLost, ImageReceived, PeerError, PeerStats
from vedette_bridge.vlp.frame import BULK, CONTROL, CTL, FIRST, FWUP, IMAGE, LOG, MORE, REL, RESULT, encode
from vedette_bridge.vlp.link import STATISTICS
from vedette_bridge.vlp.messages import ImageHeader
from vedette_bridge.vlp.rtt import RoundTrip
from vedette_bridge.vlp.sending import Outgoing, SendStream

BAUD = 3_000_000


def give_room(line, side, frames):
    line.links[side].give_room(BULK, frames)
    line.woken.add(side)


@pytest.mark.parametrize("faults", [Faults(), Faults.each(0.02)])
def test_without_room_for_five_seconds_nothing_is_lost_and_nothing_grows(faults):
    line = paired(Limits(maxpl=256, queue_bytes=20_000), faults=faults)
    give_room(line, "device", 0)
    link, sent, held = line.links["box"], 0, []
    for _ in range(50):
        while True:
            try:
                link.send(CHANNEL, b"%4d" % sent + bytes(200))
            except QueueFullError:
                break
            sent += 1
        line.pass_time(100_000)
        held.append((link.queued_bytes, len(messages(line, "device"))))
    assert held[5:] == [held[5]] * 45
    assert held[-1][1] == 32  # what was promised when the session began
    assert link.queued_bytes <= 20_000
    give_room(line, "device", 32)
    assert settle(line)
    assert [int(text[:4]) for text in messages(line, "device")] == list(range(sent))


@pytest.mark.parametrize("latency_us", [100, 5_000])
def test_room_given_again_is_told_at_once_or_if_that_is_lost_soon(latency_us):
    line = paired(latency_us=latency_us)
    give_room(line, "device", 0)
    for number in range(40):
        line.links["box"].send(CHANNEL, b"%d" % number)
    line.pass_time(3_130_000)  # between two pings
    assert len(messages(line, "device")) == 32
    give_room(line, "device", 4)
    line.pass_time(4 * latency_us + 5_000)
    assert len(messages(line, "device")) >= 36
    line.ways["device"].cut = True  # the next word of room is lost
    line.pass_time(latency_us + 2_500)
    line.ways["device"].cut = False
    assert settle(line, 600_000)
    assert len(messages(line, "device")) == 40


def test_who_has_little_room_gets_no_more_than_that_at_a_time():
    line = paired(Limits(maxpl=64))
    give_room(line, "device", 3)
    for _ in range(200):
        line.links["box"].send(CHANNEL, b"x")
    stream, most = line.links["box"]._session.sending[BULK], []

    def watch():
        if stream._next > 32:  # what was promised when the session began
            most.append(len(stream._sent))
        return line.links["box"].idle

    assert line.pass_time(5_000_000, watch)
    assert max(most) == 3
    assert len(messages(line, "device")) == 200


def test_a_peer_that_sends_beyond_the_edge_is_not_heard():
    line = paired()
    session = line.links["box"].terms.session
    give_room(line, "device", 0)
    for seq in range(200):
        line.inject("device", encode(REL, CHANNEL, seq, 0, 0, BULK, b"%d" % seq, session))
    assert [int(text) for text in messages(line, "device")] == list(range(32))
    assert line.links["device"].statistics()["rx_out_of_window"] == 168


def test_an_acknowledgement_of_what_was_never_sent_changes_nothing():
    line = paired()
    session = line.links["box"].terms.session
    for ack, bitmap in ((5, 0), (0, 0xFF), (0x8000, 1), (0xFFFF, (1 << 64) - 1), (3, 1 << 63)):
        payload = encode_ack([AckRecord(BULK, 255, ack, bitmap)])
        line.inject("box", encode(0, CTL, 0, ack, 255, BULK, payload, session))
    message = line.links["box"].send(CHANNEL, b"x")
    assert message.state == "queued"
    assert settle(line)
    assert messages(line, "device") == [b"x"]


def test_who_acknowledges_the_future_gets_no_more_room_and_no_frame_forgotten():
    stream = SendStream(RoundTrip(), 1000)
    stream.restart(4)
    for _ in range(10):
        stream.put(Outgoing(CHANNEL, b"x", memoryview(b"")))
    assert not stream.acknowledged(100, 32, 0)
    taken = [stream.take(0, 64) for _ in range(5)]
    assert taken[4] is None
    stream.reported(0, 4, 1 << 63 | 1, 0)
    assert [frame.received for frame in taken[:4]] == [False] * 4
    stream.reported(0, 4, 0b101, 0)
    assert [frame.received for frame in taken[:4]] == [False, True, False, True]


def test_credit_taken_back_is_no_excuse():
    stream = SendStream(RoundTrip(), 1000)
    stream.restart(8)
    for _ in range(9):
        stream.put(Outgoing(CHANNEL, b"x", memoryview(b"")))
    assert stream.acknowledged(0, 0, 0)
    assert all(stream.take(0, 64) for _ in range(8))
    assert stream.take(0, 64) is None  # the window
    stream.acknowledged(8, 0, 0)
    assert stream.held_back
    assert stream.take(0, 64) is None  # the edge
    stream.acknowledged(8, 255, 0)
    assert stream.take(0, 64) is not None
    assert stream._edge == 8 + 32  # no more than a window, whatever was said


def test_the_edge_never_moves_left():
    stream = SendStream(RoundTrip(), 1000)
    stream.restart(4)
    stream.acknowledged(0, 4, 0)
    stream.acknowledged(0, 1, 0)
    for _ in range(4):
        stream.put(Outgoing(CHANNEL, b"x", memoryview(b"")))
    assert all(stream.take(0, 64) for _ in range(4))


def test_a_peer_that_never_acknowledges_is_given_up():
    line = paired(Limits(timeout_us=10_000_000))
    before = line.fate
    line.fate = lambda side, frame: (
        [] if side == "device" and frame[3] == CTL and frame[16] == 3 else before(side, frame)
    )
    line.links["box"].send(CHANNEL, b"x")
    with_old_ack = line.fate
    line.fate = lambda side, frame: (
        [] if side == "device" and frame[6:8] != b"\0\0" else with_old_ack(side, frame)
    )
    session = line.links["box"].terms.session
    for _ in range(200):
        line.pass_time(100_000)
        line.inject("box", encode(0, 40, 0, 0, 0, BULK, b"alive", session))
    assert [event.reason for event in of_type(line, "box", Down)][:1] == ["no answer"]


def image(obj, data, **fields):
    header = ImageHeader(
        obj=obj, size=len(data), fourcc="JPEG", width=640, height=480, crc32=zlib.crc32(data), **fields
    )
    return header, data


def send_image(line, obj, data):
    header, data = image(obj, data)
    return header, line.links["device"].send_split(IMAGE, header.encode(), memoryview(data))


def test_the_freshest_image_wins_where_the_consumer_is_slow():
    """A new image every 10 ms on a line that takes 35 ms for one: the old one is given up, memory stays flat."""
    line = paired(Limits(maxpl=4096), baud=BAUD, start_baud=BAUD, faults=Faults.each(0.005))
    waiting, most, aborted = [], 0, 0
    for obj in range(1, 401):
        if len(waiting) == 2:  # one on its way, one to come: the newer of them is stale now
            header, message = waiting.pop()
            aborted += line.links["device"].abort_image(message, header)
        if len(waiting) == 1 and obj % 23 == 0:  # now and then even the one that is on its way
            header, message = waiting.pop()
            aborted += line.links["device"].abort_image(message, header)
        waiting.append(send_image(line, obj, line.rng.randbytes(10_000)))
        line.pass_time(10_000)
        waiting = [(header, message) for header, message in waiting if message.state == "queued"]
        most = max(most, line.links["device"].queued_bytes)
    assert settle(line)
    came = of_type(line, "box", ImageReceived)
    lost = of_type(line, "box", ImageLost)
    numbers = [event.header.obj for event in came]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 80
    assert numbers[-1] >= 399
    assert {event.reason for event in lost} == {"aborted"}
    assert len(came) + aborted == 400
    assert sum(event.dropped_before for event in came) == numbers[-1] - len(came) - numbers[0] + 1
    assert line.links["device"].statistics()["tx_images_aborted"] == aborted
    assert most < 50_000


def test_what_is_sent_already_cannot_be_given_up():
    line = paired()
    header, message = send_image(line, 1, bytes(5000))
    line.links["device"].take_output()
    assert not line.links["device"].abort_image(message, header)
    assert line.links["device"].statistics()["tx_images_aborted"] == 0


def test_an_image_given_up_before_its_first_frame_leaves_no_trace():
    line = paired()
    first = send_image(line, 1, bytes(100))
    second = send_image(line, 2, bytes(100))
    assert line.links["device"].abort_image(second[1], second[0])
    assert settle(line)
    assert [event.header.obj for event in of_type(line, "box", ImageReceived)] == [1]
    assert of_type(line, "box", ImageLost) == []
    assert (first[1].state, second[1].state) == ("delivered", "withdrawn")


def raw_image(line, frames):
    """Frames of channel IMAGE as a hostile device would send them."""
    link = line.links["device"]
    for flags, payload in frames:
        link._session.sending[BULK].put(Outgoing(IMAGE, payload, memoryview(b""), flags=flags))
    assert settle(line, 60_000_000)
    return [(event.obj, event.reason) for event in of_type(line, "box", ImageLost)]


def test_images_that_are_not_what_they_say_are_counted_and_not_delivered():
    line = paired(Limits(max_image=10_000))
    huge, _ = image(1, b"")
    short, _ = image(2, bytes(100))
    wrong = ImageHeader(obj=3, size=4, fourcc="JPEG", width=1, height=1, crc32=1)
    long, _ = image(4, bytes(10))
    lost = raw_image(
        line,
        [
            (
                FIRST | MORE,
                ImageHeader(obj=1, size=0xFFFFFFFF, fourcc="JPEG", width=1, height=1).encode() + bytes(50),
            ),
            *[(MORE, bytes(4000)) for _ in range(20)],
            (FIRST, short.encode() + bytes(99)),
            (FIRST, wrong.encode() + b"abcd"),
            (FIRST | MORE, long.encode()),
            (MORE, bytes(11)),
            *[(MORE, bytes(4000)) for _ in range(20)],
            (FIRST | MORE, short.encode() + bytes(10)),
            (FIRST, b"\1\x28 too short"),
            (0, b"the rest of nothing"),
        ],
    )
    assert lost == [
        (1, "oversize"),
        (2, "incomplete"),
        (3, "damaged"),
        (4, "overrun"),
        (2, "incomplete"),
        (None, "invalid"),
    ]
    assert len(line.links["box"]._session.images._data) == 0
    assert huge.size == 0
    good, data = image(9, bytes(range(200)))
    line.links["device"].send_split(IMAGE, good.encode(), memoryview(data))
    assert settle(line)
    (received,) = of_type(line, "box", ImageReceived)
    assert bytes(received.data) == data


def test_an_image_that_never_ends_holds_no_more_than_it_said():
    line = paired(Limits(max_image=50_000))
    header = ImageHeader(obj=1, size=50_000, fourcc="JPEG", width=1, height=1).encode()
    raw_image(line, [(FIRST | MORE, header), *[(MORE, b"") for _ in range(500)]])
    assert len(line.links["box"]._session.images._data) == 0
    assert raw_image(line, [(MORE, bytes(8000)) for _ in range(9)]) == [(1, "overrun")]
    assert len(line.links["box"]._session.images._data) == 0


def test_many_aborts_in_a_row_are_nothing():
    line = paired()
    abort = [
        (FIRST, ImageHeader(obj=n, size=0, fourcc="JPEG", width=0, height=0, abort=True).encode())
        for n in range(500)
    ]
    assert len(raw_image(line, abort)) == 500
    assert both_up(line)


def test_a_flood_is_answered_within_bounds():
    line = paired(baud=BAUD, start_baud=BAUD)
    session = line.links["box"].terms.session
    pings = b"".join(encode(0, CTL, n, 0, 32, 0, Ping(n, 5).encode(), session) for n in range(10_000))
    unknown = b"".join(encode(0, 20, n, 0, 32, 0, b"?", session) for n in range(10_000))
    line.links["device"].feed(pings)
    line.links["device"].feed(unknown)
    out = line.links["device"]._session.out
    assert len(out._control) <= 64
    assert line.links["device"].statistics()["tx_control_dropped"] > 9_000
    line.pass_time(500_000)
    assert both_up(line)
    line.links["box"].send(CHANNEL, b"on")
    assert settle(line)
    assert b"on" in messages(line, "device")


def test_datagrams_that_wait_are_bounded_and_counted():
    line = paired(baud=115_200, start_baud=115_200)
    for number in range(500):
        line.links["box"].send_datagram(LOG, b"%d" % number)
    line.pass_time(1_000_000)
    assert [int(text) for text in messages(line, "device")] == list(range(64))
    assert line.links["box"].statistics()["tx_datagrams_dropped"] == 436


def test_what_nobody_knows_is_acknowledged_counted_and_answered():
    line = paired()
    session = line.links["box"].terms.session
    wrong = [
        (REL, 20, BULK),
        (REL, RESULT, BULK),
        (REL, IMAGE, CONTROL),
        (REL, 200, CONTROL),
        (0, 20, 0),
        (0, FWUP, 0),
    ]
    seqs = {CONTROL: 0, BULK: 0}
    for vf, ch, sid in wrong:
        line.inject("device", encode(vf, ch, seqs[sid], 0, 32, sid, b"?", session))
        seqs[sid] += bool(vf)
    line.inject("device", encode(0, CTL, 0, 0, 32, 0, b"\x63", session))
    line.inject("device", encode(0, CTL, 0, 0, 32, 0, b"", session))
    line.pass_time(50_000)
    assert messages(line, "device") == []
    assert [(event.code, event.ch) for event in of_type(line, "box", PeerError)] == [
        *((1, ch) for _, ch, _ in wrong),
        (1, CTL),
        (1, CTL),
    ]
    assert line.links["device"]._session.receiving[BULK].ack == seqs[BULK]
    assert both_up(line)


def test_control_messages_that_make_no_sense_are_counted_and_answered():
    line = paired()
    session = line.links["box"].terms.session
    broken = [bytes((kind, *b"\xff" * 3)) for kind in (3, 4, 5, 13, 14)] + [
        b"\x0c\xff",
        b"\x03",
        b"\x03\x02\0\0\0\0",
    ]
    broken.append(encode_ack([AckRecord(0, 1, 0, 1 << 63)])[:-3])
    for payload in broken:
        line.inject("device", encode(0, CTL, 0, 0, 32, 0, payload, session))
    stats = line.links["device"].statistics()
    assert stats["rx_invalid"] >= len(broken) - 1
    line.pass_time(50_000)
    assert both_up(line)


@pytest.mark.parametrize("maxpl", [64, 1024])
def test_counters_go_to_the_other_side_as_far_as_a_frame_holds_them(maxpl):
    line = paired(Limits(maxpl=maxpl), faults=Faults.each(0.01))
    line.links["device"]._session.counts["rx_frames"] = 1 << 60
    line.links["device"]._session.counts["tx_frames"] = 1 << 60
    line.links["box"].ask_stats()
    assert line.pass_time(200_000, lambda: bool(of_type(line, "box", PeerStats)))
    counters = of_type(line, "box", PeerStats)[0].counters
    assert list(counters) == list(range(len(counters)))
    assert counters[0] >= 1 << 60
    assert len(counters) == len(STATISTICS) or maxpl == 64


@pytest.mark.parametrize(
    ("ch", "options"),
    [(CTL, {}), (IMAGE, {}), (20, {}), (128, {}), (CHANNEL, {"sid": 2}), (CHANNEL, {"sid": -1})],
)
def test_what_cannot_be_sent_is_refused(ch, options):
    line = paired()
    with pytest.raises(ParameterError):
        line.links["box"].send(ch, b"x", **options)


def test_several_frames_only_where_the_protocol_has_them():
    line = paired()
    with pytest.raises(ParameterError):
        line.links["box"].send_split(RESULT, b"", memoryview(b"x"))
    with pytest.raises(ParameterError):
        line.links["box"].send_datagram(20, b"x")
    with pytest.raises(ParameterError):
        line.links["box"].send_datagram(LOG, bytes(9000))
