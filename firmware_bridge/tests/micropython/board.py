"""A MicroPython device on the virtual-clock line: its port, and the methods of Link that the line calls."""

import random

import vlp
from line import Line, frames_of

from vedette_bridge.vlp.baud import SwitchBaud
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Down, Message, Up

POLL_US = 1_000
AHEAD_US = 4_000
WRAP_US = 1 << 30


class BoardPort:
    """A UART: receives into a buffer, and sends at the rate of the line, a few bytes at a time if it must."""

    def __init__(self, clock, baud=None, rng=None):
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.baud = baud
        self.switches = []
        self.drain = lambda: None
        self._clock, self._rng = clock, rng
        self._free_us = 0

    def readinto(self, buffer):
        count = min(len(buffer), len(self.incoming))
        buffer[:count] = self.incoming[:count]
        del self.incoming[:count]
        return count or None

    def write(self, data):
        now = self._clock()
        if self._free_us > now + AHEAD_US:
            return None
        size = self._rng.randint(1, len(data)) if self._rng and self._rng.random() < 0.1 else len(data)
        self.outgoing += bytes(data[:size])
        if self.baud:
            self._free_us = max(self._free_us, now) + size * 10_000_000 // self.baud
        return size

    def set_baud(self, baud):
        self.drain()
        self.baud = baud
        self.switches.append(SwitchBaud(baud))

    def whole_frames(self) -> bytes:
        """What the line may carry: it takes frames whole."""
        end = 0
        while len(self.outgoing) - end >= 16:
            length = int.from_bytes(self.outgoing[end + 8 : end + 10], "little")
            size = 16 + (length + 4 if length else 0)
            if end + size > len(self.outgoing):
                break
            end += size
        data = bytes(self.outgoing[:end])
        del self.outgoing[:end]
        return data


class Board:
    """``make(port, ticks, random)`` gives what has ``poll()``: a Link, or a Camera."""

    def __init__(self, make, clock, baud, rng):
        self.port = BoardPort(clock, baud, random.Random(rng.random()))
        self.events = []
        self.device = make(self, lambda: clock() % WRAP_US, rng.randbytes)
        self._clock = clock
        self._next_us = 0

    @property
    def link(self):
        return getattr(self.device, "link", self.device)

    # --- what vlp.Link is given

    def on_message(self, ch, vf, payload, reliable):
        self.events.append(Message(ch, vf & 0x18, bytes(payload), reliable, self._clock()))

    def on_up(self):
        self.events.append(Up(session=0, maxpl=0, window=0, paired=False, caps=0, identity={}))

    def on_down(self, reason, failed):
        self.events.append(Down(reason, failed))

    # --- what the line calls

    def start(self):
        pass

    def feed(self, data):
        self.port.incoming += data
        return self._taken()

    def poll(self):
        if self._clock() >= self._next_us:
            self._next_us = self._clock() + POLL_US
            self.device.poll()
        return self._taken()

    def take_output(self):
        data = self.port.whole_frames()
        assert b"".join(frames_of(data)) == data
        return data

    def baud_switched(self, baud):
        return []

    @property
    def due_us(self):
        return self._next_us

    def _taken(self):
        events, self.events = self.events + self.port.switches, []
        self.port.switches = []
        return events


class BoardLine(Line):
    """The line with the Python box at one end and a MicroPython device at the other."""

    def __init__(self, make, box=None, **options):
        self._make = make
        baud = options.get("baud")
        device = LinkConfig(role="device", start_baud=baud)
        super().__init__(box or LinkConfig(role="box", start_baud=baud), device, **options)

    def _link(self, side):
        if side == "box":
            return super()._link(side)
        board = Board(self._make, lambda: self.clock("device"), self.configs[side].start_baud, self.rng)
        board.port.drain = lambda: self._send("device", board.port.whole_frames())
        return board

    @property
    def box(self):
        return self.links["box"]

    @property
    def board(self):
        return self.links["device"]


def plain(**options):
    """What makes a bare link."""

    def make(board, ticks, rng):
        return vlp.Link(
            board.port,
            board.on_message,
            board.on_up,
            board.on_down,
            ticks=ticks,
            random=rng,
            boot_id=7,
            **options,
        )

    return make
