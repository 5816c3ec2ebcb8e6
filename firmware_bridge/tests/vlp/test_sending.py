"""When a frame is sent again, and what is learnt from its answer."""

import pytest

from vedette_bridge.vlp.frame import VENDOR
from vedette_bridge.vlp.rtt import RoundTrip
from vedette_bridge.vlp.sending import MAX_EXPIRED, Outgoing, SendStream


@pytest.fixture
def stream():
    stream = SendStream(RoundTrip(), 1000)
    stream.restart(8)
    return stream


def send(stream, now_us, count=1):
    for _ in range(count):
        stream.put(Outgoing(VENDOR[0], b"x", memoryview(b"")))
    return [stream.take(now_us, 64) for _ in range(count)]


def test_the_answer_to_a_frame_sent_twice_is_no_measure_and_does_not_end_the_backing_off(stream):
    send(stream, 0)
    assert stream.due_us == 200_000
    assert stream.expire(199_999)
    assert stream.take(199_999, 64) is None
    assert stream.expire(200_000)
    assert stream.take(200_000, 64) is not None
    stream.acknowledged(1, 8, 200_100)
    assert (stream._rtt.srtt_us, stream._rtt.rto_us) == (None, 400_000)
    send(stream, 300_000)
    stream.acknowledged(2, 8, 305_000)
    assert (stream._rtt.srtt_us, stream._rtt.rto_us) == (5_000, 20_000)


def test_what_queues_behind_others_is_not_late_while_those_are_answered(stream):
    send(stream, 0, 3)
    stream.acknowledged(1, 8, 150_000)
    rto = stream._rtt.rto_us
    assert stream.due_us == 150_000 + rto
    stream.reported(1, 8, 1, 300_000)  # SEQ 2 before SEQ 1
    assert stream.take(300_000, 64).seq == 1  # at once
    assert stream.take(300_000, 64) is None


def test_one_frame_is_tried_and_after_three_expiries_its_answer_sends_two_more(stream):
    send(stream, 0, 8)
    now = 0
    for _ in range(3):
        now = stream.due_us
        assert stream.expire(now)
        assert stream.take(now, 64) is not None
        assert stream.take(now, 64) is None
    stream.acknowledged(1, 8, now + 1_000)
    again = []
    while (sent := stream.take(now + 1_000, 64)) is not None:
        again.append(sent.seq)
    assert len(again) == 2


def test_after_one_expiry_its_answer_sends_no_more(stream):
    send(stream, 0, 8)
    assert stream.expire(stream.due_us)
    assert stream.take(200_000, 64).seq == 0
    stream.acknowledged(1, 8, 201_000)
    assert stream.take(201_000, 64) is None


def test_ten_expiries_of_one_frame_are_the_end(stream):
    send(stream, 0)
    for _ in range(MAX_EXPIRED - 1):
        assert stream.expire(stream.due_us)
        assert stream.take(stream._expired_us, 64) is not None
    assert not stream.expire(stream.due_us)


def test_a_line_may_be_slower_than_the_bound_of_the_doubling():
    rtt = RoundTrip()
    rtt.sample(3_000_000)
    assert rtt.rto_us == 9_000_000
    rtt.expired()
    assert rtt.rto_us == 9_000_000
    fast = RoundTrip()
    fast.sample(1_000)
    waits = [fast.rto_us]
    for _ in range(8):
        fast.expired()
        waits.append(fast.rto_us)
    assert waits == [20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_000_000, 1_000_000, 1_000_000]


def test_a_hole_is_filled_at_once_but_not_twice_in_a_round_trip(stream):
    send(stream, 0, 4)
    stream.acknowledged(1, 8, 10_000)
    stream.reported(1, 8, 0b1, 11_000)
    assert stream.take(11_000, 64).seq == 1
    stream.reported(1, 8, 0b11, 12_000)
    assert stream.take(12_000, 64) is None
    stream.reported(1, 8, 0b11, 11_000 + stream._rtt.repeat_us)
    assert stream.take(30_000, 64).seq == 1
