"""The same bytes, at the same times and in the same pieces, for a Python device and a C device."""

from __future__ import annotations

import random

from cdevice import CDevice
from stream_mutations import Streams

from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Hello, Ping
from vedette_bridge.vlp.events import Message
from vedette_bridge.vlp.frame import CTL, DATAGRAMS, STREAM_OF, VENDOR, encode
from vedette_bridge.vlp.link import Link

CHECKS = ["version", "length", "stream", "kind", "header", "payload", "unsalted", "stall"]
STALL_US = 25_000


class Twins:
    """A session of each; ``differences`` names what was not the same."""

    def __init__(self, library, seed: int, limit: int) -> None:
        self.rng = random.Random(seed)
        self.now = 1_000_000
        config = LinkConfig(role="device", limits=Limits(maxpl=limit, window=8))
        self.python = Link(config, lambda: self.now, self.rng.randbytes)
        self.c = CDevice(library, config, lambda: self.now, self.rng, partial=False)
        self.python.start()
        self.session = self.rng.getrandbits(32) | 1
        self.streams = Streams(self.rng, self.session, limit)
        self.differences: list[str] = []
        self.messages = 0
        hello = Hello(session=self.session, maxpl=limit, window=8, nonce=bytes(16))
        self.feed(encode(0, CTL, 0, 0, 0, 0, hello.encode(), 0))
        self.awake()

    def close(self) -> None:
        self.c.close()

    def awake(self) -> None:
        self.feed(encode(0, CTL, 0, 0, 8, 0, Ping(1, 2).encode(), self.session))

    def step(self, pieces: int) -> None:
        """One stream, a pause in which what is partial fails, and a sign of life."""
        data, at = self.streams.stream(pieces), 0
        while at < len(data):
            size = self.rng.choice((1, 7, 64, len(data)))
            self.feed(data[at : at + size])
            at += size
        self.now += STALL_US
        self.compare(self.python.poll(), self._poll())
        self.awake()

    def feed(self, data: bytes) -> None:
        self.compare(self.python.feed(data), self.c.feed(data))

    def _poll(self):
        self.c._next_us = 0
        events = self.c.poll()
        self.c.take_output()
        while self.python.take_output():
            pass
        return events

    def compare(self, python, c) -> None:
        ours = [(e.ch, e.vf & 0x18, e.payload, e.reliable) for e in python if isinstance(e, Message)]
        its = [(e.ch, e.vf, e.payload, e.reliable) for e in c if isinstance(e, Message) and _is_known(e)]
        self.messages += len(ours)
        if ours != its:
            self.differences.append(f"messages: Python {len(ours)}, C {len(its)}: {ours} {its}"[:400])
        mine, counted = self.counters(), self.c.counts()
        for name, value in mine.items():
            if counted[name] != value:
                self.differences.append(f"{name}: Python {value}, C {counted[name]}")
        session = 0 if self.python.terms is None else self.python.terms.session
        if session != self.c.session:
            self.differences.append(f"session: Python {session}, C {self.c.session}")

    def counters(self) -> dict[str, int]:
        found = self.python.statistics()
        return {
            "rx_frames": found["rx_frames"],
            "rx_bytes": found["rx_bytes"],
            "skipped": found["rx_skipped_bytes"],
            **{check: found.get(f"rx_bad_{check}", 0) for check in CHECKS},
        }


def _is_known(message: Message) -> bool:
    """The C library leaves channels that it does not know to the application, which answers UNKNOWN."""
    return message.ch in VENDOR or message.ch in (STREAM_OF if message.reliable else DATAGRAMS)
