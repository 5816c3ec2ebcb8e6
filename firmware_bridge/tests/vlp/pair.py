"""What the tests of a link say again and again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from line import OTHER, SIDES, Line

from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.events import Down, Event, Message, Up
from vedette_bridge.vlp.frame import BULK, VENDOR

KEY = bytes(range(32))
CHANNEL = VENDOR[0]


def box(**options: Any) -> LinkConfig:
    return LinkConfig(role="box", **options)


def device(**options: Any) -> LinkConfig:
    return LinkConfig(role="device", **options)


def paired(limits: Limits | None = None, **options: Any) -> Line:
    """Both sides with the same limits, up. ``box``/``device`` in ``options`` are of those sides alone."""
    of_line = {name: options.pop(name) for name in tuple(options) if name in LINE_OPTIONS}
    own = {side: options.pop(side, {}) for side in SIDES}
    limits = limits or Limits()
    line = Line(
        box(**{"limits": limits, **options, **own["box"]}),
        device(**{"limits": limits, **options, **own["device"]}),
        **of_line,
    )
    line.start()
    assert bring_up(line)
    return line


LINE_OPTIONS = ("faults", "latency_us", "jitter_us", "baud", "seed", "drift", "device_ahead_us")


def bring_up(line: Line, within_us: int = 3_000_000) -> bool:
    """Let time pass until both sides are up."""
    return line.pass_time(within_us, lambda: both_up(line))


def both_up(line: Line) -> bool:
    """Whether both sides are in the same session."""
    first, second = (link.terms for link in line.links.values())
    states = {link.state for link in line.links.values()}
    return states == {"up"} and first is not None and second is not None and first.session == second.session


def of_type(line: Line, side: str, kind: type[Any]) -> list[Any]:
    return [event for event in line.events[side] if isinstance(event, kind)]


def messages(line: Line, side: str) -> list[bytes]:
    return [event.payload for event in of_type(line, side, Message)]


def settle(line: Line, within_us: int = 30_000_000) -> bool:
    """Let time pass until everything that was sent is acknowledged."""
    return line.pass_time(within_us, lambda: all(link.idle for link in line.links.values()))


class Traffic:
    """Numbered messages of known content, in both directions, checked as they come: once, whole, in order."""

    def __init__(self, line: Line, count: int, low: int, high: int, *, ways: tuple[str, ...] = SIDES) -> None:
        self.line = line
        self.count = count
        self.sent = dict.fromkeys(ways, 0)
        self.got = dict.fromkeys(SIDES, 0)
        self.wrong = 0
        self.bytes = 0
        self.downs: list[Down] = []
        self.other = Counter[str]()
        self._low, self._span = low, high - low + 1
        self._blob = random.Random(5).randbytes(high * 4)
        line.on_event = self.take

    def payload(self, number: int) -> bytes:
        """Message ``number``: its number, then bytes that no other one has there."""
        mixed = number * 2654435761 & 0xFFFFFFFF
        size = self._low + (mixed >> 7) % self._span
        at = mixed % (len(self._blob) - size)
        return number.to_bytes(4, "little") + self._blob[at : at + size - 4]

    def take(self, side: str, event: Event) -> None:
        if isinstance(event, Message):
            self.wrong += event.payload != self.payload(self.got[side])
            self.got[side] += 1
            self.bytes += len(event.payload)
            self.feed(OTHER[side])
        elif isinstance(event, Down):
            self.downs.append(event)
        elif not isinstance(event, Up):
            self.other[type(event).__name__] += 1

    def feed(self, side: str, waiting: int = 150_000) -> None:
        """Let so many bytes wait on the link of ``side``."""
        link = self.line.links[side]
        while side in self.sent and self.sent[side] < self.count and link.queued_bytes < waiting:
            link.send(CHANNEL, self.payload(self.sent[side]), sid=BULK)
            self.sent[side] += 1
            self.line.woken.add(side)

    @property
    def complete(self) -> bool:
        return all(self.got[OTHER[side]] >= self.count for side in self.sent)

    def run(self, within_us: int, also: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until all has come."""
        for side in self.sent:
            self.feed(side)
        return self.line.pass_time(within_us, lambda: self.complete or self.wrong > 0 or also())
