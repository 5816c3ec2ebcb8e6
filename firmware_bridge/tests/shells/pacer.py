"""A serial cable: two pseudo-terminals, and between them bytes that take as long as the baud rate says.

    python pacer.py [--noise 0.001]

Prints the paths of both ends. The rate of each end is the one that whoever opened it has set; where the two differ,
what arrives is garbage. ``--noise``: the share of frames of 1.5 kB that lose, gain or change a byte. A line on standard
input pulls the plug: both ends vanish.
"""

import argparse
import collections
import contextlib
import os
import random
import select
import sys
import termios
import time
import tty

RATES = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()
}
BUFFER = 16384
PIECE_S = 0.001
LOOK_S = 0.002
"""Who has changed its rate says nothing for 5 ms."""


class End:
    """One end of the cable."""

    def __init__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)
        self.baud = 0

    def look(self):
        """See which rate is set now. What was read before was written at the one before: nothing says when exactly a
        rate changed, and a pseudo-terminal is drained at once."""
        self.baud = RATES.get(termios.tcgetattr(self.slave)[4], 0)


class Way:
    """One direction: pieces of (bytes, when they were sent, at which rate)."""

    def __init__(self, sender, receiver, noise, rng):
        self.sender, self.receiver = sender, receiver
        self._noise, self._rng = noise, rng
        self._queue = collections.deque()
        self._size = 0
        self._free_s = 0.0
        self.next_s = None

    @property
    def has_room(self):
        return self._size < BUFFER

    def read(self, now_s):
        data = os.read(self.sender.master, BUFFER)
        baud = self.sender.baud or 1200
        step = max(1, int(baud / 10 * PIECE_S))
        for at in range(0, len(data), step):
            self._queue.append((data[at : at + step], now_s, baud))
        self._size += len(data)

    def deliver(self, now_s):
        self.next_s = None
        while self._queue:
            data, sent_s, baud = self._queue[0]
            done_s = max(self._free_s, sent_s) + len(data) * 10 / baud
            if done_s > now_s:
                self.next_s = done_s
                return
            self._queue.popleft()
            self._size -= len(data)
            self._free_s = done_s
            self._give(data if baud == self.receiver.baud else os.urandom(len(data)))

    def _give(self, data):
        if self._noise and self._rng.random() < self._noise * len(data) / 1500:
            at = self._rng.randrange(len(data))
            data = self._rng.choice(
                (
                    data[:at] + data[at + 1 :],
                    data[:at] + b"\x55" + data[at:],
                    data[:at] + bytes((data[at] ^ 4,)) + data[at + 1 :],
                )
            )
        with contextlib.suppress(BlockingIOError):  # nobody reads: a UART overruns
            os.write(self.receiver.master, data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--noise", type=float, default=0.0)
    wanted = parser.parse_args()
    ends = End(), End()
    rng = random.Random(7)
    ways = [Way(ends[0], ends[1], wanted.noise, rng), Way(ends[1], ends[0], wanted.noise, rng)]
    print(*(end.path for end in ends), flush=True)
    looked_s = 0.0
    while True:
        now_s = time.monotonic()
        for way in ways:
            way.deliver(now_s)
        dues = [way.next_s for way in ways if way.next_s is not None]
        wait_s = min(LOOK_S, max(0.0, min(dues) - time.monotonic())) if dues else LOOK_S
        watched = {way.sender.master: way for way in ways if way.has_room}
        ready, _, _ = select.select([*watched, sys.stdin], [], [], wait_s)
        if sys.stdin in ready:
            return
        now_s = time.monotonic()
        for master in ready:
            watched[master].read(now_s)
        if now_s - looked_s >= LOOK_S:
            looked_s = now_s
            for end in ends:
                end.look()


if __name__ == "__main__":
    main()
