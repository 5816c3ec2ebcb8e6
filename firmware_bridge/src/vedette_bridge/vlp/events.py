"""What a link tells its owner. Times are microseconds of the link's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vedette_bridge.vlp.baud import BaudSettled, SwitchBaud
from vedette_bridge.vlp.control import Identity
from vedette_bridge.vlp.images import ImageLost, ImageReceived

DownReason = Literal[
    "silent", "no answer", "peer closed", "peer restarted", "peer asked", "interrupted", "closed"
]
RefusedReason = Literal["open", "version", "unpaired", "key"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Up:
    """A session has begun. ``maxpl`` and ``window`` hold for both directions."""

    session: int
    maxpl: int
    window: int
    paired: bool
    caps: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class Down:
    """The session is over; ``failed`` messages on their way did not arrive, or cannot be known to have arrived."""

    reason: DownReason
    failed: int


@dataclass(frozen=True, slots=True)
class Refused:
    """No session came about. ``open``: the device is paired and wants the key; ``unpaired``: the box has a key, the
    device none; ``key``: it has another one; ``version``: there is none in common."""

    reason: RefusedReason


@dataclass(frozen=True, slots=True)
class Message:
    """A message on a channel other than CTL and IMAGE; ``reliable``: in order, once. ``vf`` has FIRST and MORE."""

    ch: int
    vf: int
    payload: bytes
    reliable: bool
    t_us: int


@dataclass(frozen=True, slots=True)
class PeerError:
    """The other side could not use something."""

    code: int
    ch: int
    seq: int


@dataclass(frozen=True, slots=True)
class PeerStats:
    """The other side's counters."""

    counters: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """A frame without a right tag: ``here``, one that came; else the other side says so of one of ours."""

    here: bool


Event = (
    Up
    | Down
    | Refused
    | Message
    | ImageReceived
    | ImageLost
    | PeerError
    | PeerStats
    | AuthFailed
    | SwitchBaud
    | BaudSettled
)
