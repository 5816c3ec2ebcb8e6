"""Going to another baud rate, and back if it does not hold: PROTOCOL.md, section 3.5. Times in microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vedette_bridge.vlp.control import Probe, Type, decode_baud, encode_baud
from vedette_bridge.vlp.frame import CTL, Frame

PROBES, ENOUGH = 16, 15
ASK_GAP_US, ASK_TRIES = 50_000, 5
SETTLE_US = 5_000
DEVICE_LISTENS_US = 150_000
BOX_GIVES_UP_US, DEVICE_GIVES_UP_US = 300_000, 450_000
SHELL_US = 2_000_000
"""The change itself (drain, set the rate) may take this long before it counts as failed."""


@dataclass(frozen=True, slots=True)
class SwitchBaud:
    """The shell must let everything leave, set the port to this rate, and then call ``Link.baud_switched()``."""

    baud: int


@dataclass(frozen=True, slots=True)
class BaudSettled:
    """A change that was asked for has come to its end; ``held``: it stands, else the old rate is back."""

    baud: int
    held: bool


BaudEvent = SwitchBaud | BaudSettled
ABOUT_RATE = tuple(bytes((type,)) for type in (Type.BAUD_REQ, Type.BAUD_OK, Type.BAUD_PROBE))
Phase = Literal["idle", "asking", "switching", "probing", "returning"]


class BoxBaud:
    """The side that asks."""

    def __init__(self) -> None:
        self.phase: Phase = "idle"
        self._due_us: int | None = None
        self._old = self._new = 0
        self._count = 0
        self._good = 0
        """One bit per probe that came well."""
        self._begun_us = 0

    @property
    def active(self) -> bool:
        """Whether data must wait."""
        return self.phase != "idle"

    @property
    def send_us(self) -> int | None:
        """When :meth:`take` has something."""
        return self._due_us if self._has_more else None

    @property
    def due_us(self) -> int | None:
        """When :meth:`poll` gives up."""
        return None if self._has_more else self._due_us

    @property
    def _has_more(self) -> bool:
        return (self.phase == "asking" and self._count < ASK_TRIES) or (
            self.phase == "probing" and self._count < PROBES
        )

    def ask(self, old: int, new: int, now_us: int) -> None:
        """Begin."""
        self._old, self._new = old, new
        self._enter("asking", now_us)

    def reset(self) -> None:
        """The link is down: the change is off."""
        self.phase, self._due_us = "idle", None

    def take(self, now_us: int) -> bytes | None:
        """A control message to send now."""
        if not self._has_more or self._due_us is None or now_us < self._due_us:
            return None
        self._count += 1
        if self.phase == "asking":
            self._due_us = now_us + ASK_GAP_US
            return encode_baud(Type.BAUD_REQ, self._new)
        if self._count == PROBES:
            self._due_us = self._begun_us + BOX_GIVES_UP_US
        return Probe(self._count - 1).encode()

    def receive(self, payload: bytes, now_us: int) -> list[BaudEvent]:
        """BAUD_OK or BAUD_PROBE."""
        if payload[0] == Type.BAUD_OK and self.phase == "asking":
            accepted = decode_baud(payload)
            if accepted == self._new:
                self._enter("switching", now_us + SHELL_US)
                return [SwitchBaud(self._new)]
            if not accepted:
                self.reset()
                return [BaudSettled(self._old, held=False)]
        elif payload[0] == Type.BAUD_PROBE and self.phase == "probing":
            self._good |= 1 << Probe.decode(payload).index
            if self._good.bit_count() >= ENOUGH:
                self.reset()
                return [BaudSettled(self._new, held=True)]
        return []

    def switched(self, now_us: int) -> list[BaudEvent]:
        """The port has the rate that was asked for."""
        if self.phase == "switching":
            self._enter("probing", now_us + SETTLE_US)
            self._begun_us = now_us
        elif self.phase == "returning":
            self.reset()
            return [BaudSettled(self._old, held=False)]
        return []

    def poll(self, now_us: int) -> list[BaudEvent]:
        """Give up in time."""
        if self.due_us is None or now_us < self.due_us:
            return []
        if self.phase == "asking":
            self.reset()
            return [BaudSettled(self._old, held=False)]
        if self.phase in ("switching", "probing"):
            self._enter("returning", None)
            return [SwitchBaud(self._old)]
        return []

    def _enter(self, phase: Phase, due_us: int | None) -> None:
        self.phase, self._due_us = phase, due_us
        self._count = self._good = 0


class DeviceBaud:
    """The side that is asked."""

    def __init__(self) -> None:
        self.phase: Phase = "idle"
        self.due_us: int | None = None
        self._old = self._new = 0
        self._good = 0
        """One bit per probe that came well."""
        self._sent = PROBES
        self._judged = False
        self._begun_us = 0
        self._answer: int | None = None

    @property
    def active(self) -> bool:
        """Whether data must wait."""
        return self.phase != "idle" or self._answer is not None

    @property
    def send_us(self) -> int | None:
        """When :meth:`take` has something: 0, now."""
        ready = self._answer is not None or (self.phase == "probing" and self._sent < PROBES)
        return 0 if ready else None

    def asked(self, old: int, new: int, acceptable: bool) -> None:
        """BAUD_REQ came."""
        if self.phase in ("idle", "asking"):
            self._old, self._new = old, new
            self._answer = new if acceptable else 0

    def reset(self) -> None:
        """The link is down: the change is off."""
        self.phase, self.due_us, self._answer, self._sent = "idle", None, None, PROBES

    def take(self, now_us: int) -> bytes | None:
        """A control message to send now."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            if answer:
                self.phase, self.due_us = "asking", now_us
            return encode_baud(Type.BAUD_OK, answer)
        if self.phase == "probing" and self._sent < PROBES:
            self._sent += 1
            return Probe(self._sent - 1, self._good.bit_count()).encode()
        return None

    def receive(self, payload: bytes, now_us: int) -> list[BaudEvent]:
        """BAUD_PROBE."""
        if self.phase == "probing":
            probe = Probe.decode(payload)
            self._good |= 1 << probe.index
            if probe.index == PROBES - 1:
                self._judge()
        return []

    def heard(self, frame: Frame) -> list[BaudEvent]:
        """A valid frame: one that is not about the rate says that the box has made up its mind."""
        about_rate = frame.ch == CTL and frame.payload[:1] in ABOUT_RATE
        if not about_rate and self.phase == "probing" and self._judged:
            self.reset()
            return [BaudSettled(self._new, held=True)]
        return []

    def switched(self, now_us: int) -> list[BaudEvent]:
        """The port has the rate that was asked for."""
        if self.phase == "switching":
            self.phase, self._good, self._sent, self._judged = "probing", 0, PROBES, False
            self._begun_us = now_us
            self.due_us = now_us + DEVICE_LISTENS_US
        elif self.phase == "returning":
            self.reset()
            return [BaudSettled(self._old, held=False)]
        return []

    def poll(self, now_us: int) -> list[BaudEvent]:
        """Change when BAUD_OK has left; listen, answer, give up."""
        if self.due_us is None or now_us < self.due_us:
            return []
        if self.phase == "asking":
            self.phase, self.due_us = "switching", now_us + SHELL_US
            return [SwitchBaud(self._new)]
        if self.phase == "probing" and now_us < self._begun_us + DEVICE_GIVES_UP_US:
            self._judge()
            return []
        if self.phase in ("probing", "switching"):
            self.phase, self.due_us = "returning", None
            return [SwitchBaud(self._old)]
        return []

    def _judge(self) -> None:
        """All probes are through, or time is up: answer with as many if enough came well."""
        self.due_us = self._begun_us + DEVICE_GIVES_UP_US
        if self._good.bit_count() >= ENOUGH and not self._judged:
            self._judged, self._sent = True, 0
