"""What waits between a connection and whoever reads, with connections that do as the test wants."""

import queue
import threading
import time

import pytest

from vedette.errors import EndOfStream, SourceError
from vedette_video.feed import AHEAD, LAG_NS, MAX_BYTES, MAX_WAITING, Arrival, Feed

HANG = object()


class Scripted:
    """Receives what is put into ``queue``: arrivals, errors to raise, or ``HANG``."""

    develop = None

    def __init__(self, live=True):
        self.live = live
        self.queue = queue.Queue()
        self.interrupted = threading.Event()
        self.closed = threading.Event()

    def receive(self):
        item = self.queue.get()
        if item is HANG:
            self.interrupted.wait()
            raise SourceError("interrupted")
        if isinstance(item, Exception):
            raise item
        return item

    def interrupt(self):
        self.interrupted.set()
        self.queue.put(HANG)

    def close(self):
        self.closed.set()


def arrival(number, *, key=True, at_ms=None, size=1):
    at_ns = (number if at_ms is None else at_ms) * 1_000_000
    return Arrival(data=bytes([number % 256]) * size, key=key, mono_ns=at_ns, wall_ns=at_ns, ticks=number)


@pytest.fixture
def feed_of():
    feeds = []

    def make(connection, read_timeout_s=5.0):
        feeds.append(Feed(lambda: connection, "rtsp://camera", 5.0, read_timeout_s))
        return feeds[-1]

    yield make
    for feed in feeds:
        feed.close()


def put(connection, feed, arrivals):
    """Returns when the thread has dealt with all of them."""
    for one in arrivals:
        connection.queue.put(one)
    deadline = time.monotonic() + 10
    while not connection.queue.empty() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)


def drain(feed):
    """Numbers of what is there, and how many were lost before each."""
    found = []
    while (taken := feed.take(0.0)) is not None:
        found.append((taken[0].ticks, taken[1]))
    return found


def test_everything_in_order(feed_of):
    connection = Scripted()
    feed = feed_of(connection)
    put(connection, feed, [arrival(number) for number in range(20)])
    assert drain(feed) == [(number, 0) for number in range(20)]


def test_begins_at_a_key_picture(feed_of):
    connection = Scripted()
    feed = feed_of(connection)
    put(connection, feed, [arrival(number, key=number == 3) for number in range(6)])
    assert drain(feed) == [(3, 0), (4, 0), (5, 0)]


def test_a_reader_that_is_late_goes_on_at_the_newest_key_picture(feed_of):
    connection = Scripted()
    feed = feed_of(connection)
    lag_ms = LAG_NS // 1_000_000
    put(connection, feed, [arrival(n, key=n % 5 == 0, at_ms=n * lag_ms // 12) for n in range(14)])
    assert drain(feed) == [(10, 10), (11, 0), (12, 0), (13, 0)]


def test_without_a_newer_key_picture_nothing_is_left_out_until_it_is_too_much(feed_of):
    connection = Scripted()
    feed = feed_of(connection)
    put(connection, feed, [arrival(n, key=n == 0, at_ms=n * 100) for n in range(50)])
    assert drain(feed) == [(n, 0) for n in range(50)]
    put(connection, feed, [arrival(n, key=n in (0, MAX_WAITING + 4)) for n in range(MAX_WAITING + 8)])
    assert drain(feed) == [(MAX_WAITING + 4, MAX_WAITING + 1), *((MAX_WAITING + n, 0) for n in (5, 6, 7))]


def test_bytes_are_limited_too(feed_of):
    connection = Scripted()
    feed = feed_of(connection)
    size = MAX_BYTES // 4
    put(connection, feed, [arrival(number, size=size) for number in range(12)])
    assert sum(1 for _ in drain(feed)) <= 4


def test_nothing_is_lost_of_a_recording_and_its_sender_waits(feed_of):
    connection = Scripted(live=False)
    feed = feed_of(connection, read_timeout_s=0.3)
    for number in range(40):
        connection.queue.put(arrival(number, at_ms=number * 10_000))
    time.sleep(0.5)  # longer than the time-out: it is the reader that is slow
    assert connection.queue.qsize() >= 40 - AHEAD - 1
    found = []
    while len(found) < 40:
        taken = feed.take(1.0)
        assert taken is not None
        found.append((taken[0].ticks, taken[1]))
    assert found == [(number, 0) for number in range(40)]


def test_none_in_time_then_an_error_when_nothing_comes_at_all(feed_of):
    connection = Scripted()
    began = time.monotonic()
    feed = feed_of(connection, read_timeout_s=0.6)
    assert feed.take(0.1) is None
    assert 0.1 <= time.monotonic() - began < 0.5
    with pytest.raises(SourceError, match=r"nothing came from rtsp://camera for 0\.6 s"):
        feed.take(30.0)
    assert 0.6 <= time.monotonic() - began < 5
    with pytest.raises(SourceError, match="nothing came"):
        feed.take(0.0)


@pytest.mark.parametrize("end", [EndOfStream(), SourceError("gone"), RuntimeError("a bug")])
def test_what_came_before_the_end_is_still_given(feed_of, end):
    connection = Scripted()
    feed = feed_of(connection)
    put(connection, feed, [arrival(0), arrival(1), end])
    assert drain_until(feed, type(end)) == [0, 1]
    with pytest.raises(type(end)):
        feed.take(0.0)
    assert connection.closed.wait(5)


def drain_until(feed, kind):
    found = []
    try:
        while (taken := feed.take(1.0)) is not None:
            found.append(taken[0].ticks)
    except kind:
        return found
    return pytest.fail("there was no end")


def test_close_from_another_thread_ends_a_read(feed_of):
    connection = Scripted()
    feed = feed_of(connection, read_timeout_s=60)
    connection.queue.put(HANG)
    ended = []

    def read():
        try:
            feed.take(60.0)
        except SourceError as error:
            ended.append((error.message, time.monotonic()))

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.1)
    began = time.monotonic()
    feed.close()
    reader.join(5)
    (message, at) = ended[0]
    assert "is closed" in message
    assert at - began < 1
    assert connection.interrupted.is_set()
    assert connection.closed.wait(5)


def test_opening_that_hangs_is_given_up_and_closed_when_it_returns():
    connection, released = Scripted(), threading.Event()

    def connect():
        released.wait(20)
        return connection

    began = time.monotonic()
    with pytest.raises(SourceError, match=r"rtsp://camera could not be opened within 0\.3 s"):
        Feed(connect, "rtsp://camera", 0.3, 5.0)
    assert time.monotonic() - began < 3
    released.set()
    assert connection.closed.wait(5)


def test_opening_that_fails():
    def connect():
        raise SourceError("refused")

    with pytest.raises(SourceError, match="refused"):
        Feed(connect, "rtsp://camera", 5.0, 5.0)
