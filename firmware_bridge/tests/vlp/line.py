"""A line between two links on a virtual clock: bytes take their time; frames are lost, repeated, changed, swapped."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vedette_bridge.vlp.baud import SwitchBaud
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Event
from vedette_bridge.vlp.link import Link

SIDES = ("box", "device")
OTHER = {"box": "device", "device": "box"}


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Share of frames, 0..1, that each happens to. ``bursts``: chances per frame that a burst of losses begins, and
    that it ends (Gilbert and Elliott's model)."""

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    bursts: tuple[float, float] | None = None

    @classmethod
    def each(cls, share: float) -> Faults:
        return cls(drop=share, duplicate=share, corrupt=share, reorder=share)


CLEAN = Faults()


def frames_of(data: bytes) -> list[bytes]:
    """The frames of undamaged output."""
    frames, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 10], "little")
        end = at + 16 + (length + 4 if length else 0)
        frames.append(data[at:end])
        at = end
    return frames


def damaged(frame: bytes, rng: random.Random, kind: str | None = None) -> bytes:
    """A bit flipped, a byte lost, a byte inserted, a burst of 16 wrong bytes, or a gap of 64."""
    data = bytearray(frame)
    at = rng.randrange(len(data))
    match kind or rng.choice(("flip", "drop", "insert", "burst")):
        case "flip":
            data[at] ^= 1 << rng.randrange(8)
        case "drop":
            del data[at]
        case "insert":
            data.insert(at, rng.randrange(256))
        case "burst":
            data[at : at + 16] = rng.randbytes(len(data[at : at + 16]))
        case "gap":
            del data[at : at + 64]
    return bytes(data)


@dataclass
class Direction:
    """What travels one way. ``cut``: nothing does."""

    faults: Faults
    latency_us: int
    jitter_us: int = 0
    cut: bool = False
    bad: bool = False
    free_us: int = 0
    held: bytes | None = None
    counts: Counter[str] = field(default_factory=Counter)
    arrived_us: int = 0


class Line:
    """Two links and what is between them.

    ``run(until)`` lets time pass; events are in ``events[side]``, and ``on_event(side, event)`` is called for each.
    Who sends on a link out of turn says so: ``woken.add(side)``. ``fate(side, frame)`` gives what arrives of a frame
    that ``side`` sent; tests may put another in its place. ``stepped[side]`` is by how much its clock was set.
    """

    def __init__(
        self,
        box: LinkConfig,
        device: LinkConfig,
        *,
        faults: Faults = CLEAN,
        latency_us: int = 500,
        jitter_us: int = 0,
        baud: int | None = None,
        seed: int = 1,
        drift: float = 0.0,
        device_ahead_us: int = 0,
    ) -> None:
        self.now_us = 1_000_000
        self.rng = random.Random(seed)
        self.baud = dict.fromkeys(SIDES, baud)
        self.stepped = {"box": 0, "device": device_ahead_us}
        self._drift = {"box": 1.0, "device": 1 + drift}
        self.configs = {"box": box, "device": device}
        self.ways = {side: Direction(faults, latency_us, jitter_us) for side in SIDES}
        """By the side that sends."""
        self.links = {side: self._link(side) for side in SIDES}
        self.events: dict[str, list[Event]] = {side: [] for side in SIDES}
        self.on_event: Callable[[str, Event], None] = lambda side, event: self.events[side].append(event)
        self.fate: Callable[[str, bytes], list[bytes]] = self.by_chance
        self._queue: list[tuple[int, int, str, int | None, bytes]] = []
        self._count = 0
        self._dues: dict[str, int | None] = {}
        self.woken: set[str] = set()

    def _link(self, side: str) -> Link:
        return Link(self.configs[side], lambda: self.clock(side), self.rng.randbytes)

    def clock(self, side: str) -> int:
        return round(self.now_us * self._drift[side]) + self.stepped[side]

    def start(self) -> None:
        for link in self.links.values():
            link.start()

    def restart(self, side: str, **changes: object) -> None:
        """The side loses all that it knew. Its port is at the start rate again."""
        config = self.configs[side] = replace(self.configs[side], **changes)
        self.baud[side] = config.start_baud
        self.links[side] = self._link(side)
        self.links[side].start()

    def run(self, until_us: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until ``until_us``, or ``stop()``, which is what is returned."""
        for side in SIDES:
            self._pump(side)
        while not (stopped := stop()) and self.now_us < until_us:
            self._step(until_us)
        return stopped

    def pass_time(self, us: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Let so much time pass, or until ``stop()``."""
        return self.run(self.now_us + us, stop)

    def inject(self, side: str, data: bytes) -> None:
        """These bytes come to ``side`` now."""
        self.tell(side, self.links[side].feed(data))
        self._pump(side)

    def tell(self, side: str, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, SwitchBaud):
                self.baud[side] = event.baud
                self.tell(side, self.links[side].baud_switched(event.baud))
            self.on_event(side, event)

    def _pump(self, side: str) -> None:
        link = self.links[side]
        if events := link.poll():
            self.tell(side, events)
        while data := link.take_output():
            self._send(side, data)
        due = link.due_us
        ahead = self.clock(side) - self.now_us
        self._dues[side] = None if due is None else max(due - ahead, self.now_us + 1)

    def _send(self, side: str, data: bytes) -> None:
        way, baud = self.ways[side], self.baud[side]
        for frame in frames_of(data):
            way.free_us = max(way.free_us, self.now_us)
            if baud:
                way.free_us += len(frame) * 10_000_000 // baud
            for piece in self.fate(side, frame):
                self._carry(side, way, piece, baud)

    def by_chance(self, side: str, frame: bytes) -> list[bytes]:
        """Pieces that arrive of a frame, by the faults of the line."""
        way, rng = self.ways[side], self.rng
        faults, counts = way.faults, way.counts
        counts["frames"] += 1
        if faults is CLEAN and way.held is None:
            return [frame]
        pieces = [frame]
        if faults.bursts:
            way.bad = rng.random() < faults.bursts[0] if not way.bad else rng.random() >= faults.bursts[1]
        if way.bad or (faults.drop and rng.random() < faults.drop):
            counts["dropped"] += 1
            pieces = []
        elif faults.corrupt and rng.random() < faults.corrupt:
            counts["corrupted"] += 1
            pieces = [damaged(frame, rng)]
        elif faults.duplicate and rng.random() < faults.duplicate:
            counts["duplicated"] += 1
            pieces = [frame, frame]
        if way.held is not None:
            pieces, way.held = [*pieces, way.held], None
        elif faults.reorder and pieces and rng.random() < faults.reorder:
            counts["reordered"] += 1
            way.held = pieces.pop()
        return pieces

    def _carry(self, side: str, way: Direction, data: bytes, baud: int | None) -> None:
        if way.cut:
            return
        jitter = self.rng.randrange(way.jitter_us) if way.jitter_us else 0
        way.arrived_us = at = max(way.free_us + way.latency_us + jitter, way.arrived_us)
        self._count += 1
        heapq.heappush(self._queue, (at, self._count, OTHER[side], baud, data))

    def _step(self, until_us: int) -> None:
        """On to the next thing that happens."""
        queue = self._queue
        at = queue[0][0] if queue else until_us
        for due in self._dues.values():
            if due is not None and due < at:
                at = due
        self.now_us = now = max(self.now_us, min(at, until_us))
        touched = {side for side, due in self._dues.items() if due is not None and due <= now}
        while queue and queue[0][0] <= now:
            _, _, side, baud, data = heapq.heappop(queue)
            if baud != self.baud[side]:
                data = self.rng.randbytes(len(data))
            if events := self.links[side].feed(data):
                self.tell(side, events)
            touched.add(side)
        touched |= self.woken
        self.woken.clear()
        for side in SIDES:
            if side in touched:
                self._pump(side)
