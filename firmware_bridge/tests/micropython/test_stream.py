"""One stream by itself: ticks, round trips, what is sent again, credit."""

import pytest
from vlp_stream import RoundTrip, Stream, since

W = 4
RESULT = 5


def sent(stream, count, now=0):
    for number in range(count):
        stream.put(RESULT, 0, None, bytes([number]), 0, 1)
        stream.transmit(stream.sent, now)


def again(stream):
    return [i for i in range(stream.sent) if stream._slot(i).again]


@pytest.fixture
def stream():
    stream = Stream(8, RoundTrip())
    stream.restart(W, False)
    return stream


@pytest.mark.parametrize("then", [0, 5, (1 << 29) - 1, (1 << 30) - 1])
@pytest.mark.parametrize("span", [0, 1, -1, 20_000, -20_000, (1 << 29) - 1])
def test_ticks_wrap(then, span):
    assert since((then + span) % (1 << 30), then) == span


def test_the_time_out_follows_the_round_trip():
    rtt = RoundTrip()
    assert rtt.rto() == 200_000
    rtt.sample(10_000)
    assert rtt.rto() == 10_000 + 4 * 5_000
    for _ in range(50):
        rtt.sample(10_000)
    assert rtt.rto() == 20_000
    rtt.expired()
    assert rtt.rto() == 40_000
    for _ in range(20):
        rtt.expired()
    assert rtt.rto() == 1_000_000
    rtt.answered()
    assert rtt.rto() == 20_000


def test_a_frame_sent_twice_does_not_tell_the_round_trip(stream):
    sent(stream, 1)
    assert stream.expire(200_000)
    assert stream.transmit(0, 200_000).flags & 4
    stream.acknowledged(1, W, 201_000)
    assert stream._rtt.rto() == 200_000  # no sample, and no back-off
    sent(stream, 1, 300_000)
    stream.acknowledged(2, W, 301_000)
    assert stream._rtt.rto() == 20_000


def test_a_frame_is_sent_ten_times_at_most(stream):
    sent(stream, 1)
    now = 0
    for _ in range(9):
        now += 1_000_000
        assert stream.expire(now)
        stream.transmit(0, now)
    assert not stream.expire(now + 1_000_000)


def test_a_bitmap_names_the_holes(stream):
    stream.restart(8, False)
    sent(stream, 6)
    stream.reported(0, 8, b"\x0a", 1_000)  # 2 and 4 came
    assert again(stream) == [0, 1, 3]
    for i in again(stream):
        stream.transmit(i, 1_000)
    stream.reported(0, 8, b"\x0a", 2_000)
    assert again(stream) == []  # not twice in a round trip
    stream.reported(0, 8, b"\x0a", 4_000)
    assert again(stream) == [0, 1, 3]
    stream.acknowledged(5, 8, 5_000)
    assert stream.sent == 1


def test_a_box_that_receives_in_order_is_sent_everything_again(stream):
    stream.restart(8, True)
    sent(stream, 4)
    stream.reported(1, 8, b"", 1_000)
    assert again(stream) == []
    stream.reported(1, 8, b"", 2_000)
    assert again(stream) == [0, 1, 2]


def test_an_acknowledgement_of_what_was_not_sent_is_nothing(stream):
    sent(stream, 2)
    assert stream.acknowledged(3, 32, 0) == -1
    assert stream.acknowledged(0xFFFF, 32, 0) == -1
    assert (stream.sent, stream._edge) == (2, W)


def test_the_edge_never_moves_back(stream):
    sent(stream, 2)
    stream.acknowledged(2, 5, 0)
    stream.acknowledged(2, 0, 0)
    assert stream._edge == 7
    assert stream.credit(W) == 4
    stream.took(0)
    assert stream.credit(0) == 3  # what was promised stays promised
    for _ in range(3):
        stream.took(0)
    assert stream.credit(0) == 0
    assert stream.shut
    assert stream.credit(1) == 1
    assert not stream.shut


def test_a_restart_fails_what_was_under_way(stream):
    sent(stream, 2)
    stream.put(RESULT, 0, None, b"x", 0, 1)
    assert stream.restart(W, False) == 3
    assert stream.room() == 8
    assert all(slot.body is None for slot in stream._ring)  # no one's buffer is held
