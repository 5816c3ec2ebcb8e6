"""What a side of a link is told before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field

from vedette_bridge.errors import ParameterError
from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.control import HELLO_SIZE, WELCOME_SIZE, Caps, Identity
from vedette_bridge.vlp.frame import MAX_PAYLOAD, MAX_WINDOW, MIN_PAYLOAD
from vedette_bridge.vlp.messages import MAX_IMAGE
from vedette_bridge.vlp.security import KEY_SIZE, Role

NO_CAPS = Caps(0)
MAX_HELLO, MAX_WELCOME = 64, 256
MAX_BOX_IDENTITY, MAX_DEVICE_IDENTITY = MAX_HELLO - HELLO_SIZE, MAX_WELCOME - WELCOME_SIZE


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of everything that a link keeps.

    Attributes
    ----------
    maxpl, window
        Longest payload and most frames on their way, in each direction; the smaller of both sides' holds.
    queue_bytes
        Most bytes that wait on each stream; one message may always wait.
    max_image
        Largest image taken, in bytes.
    timeout_us
        The link is down when nothing valid came for so long.
    """

    maxpl: int = MAX_PAYLOAD
    window: int = MAX_WINDOW
    queue_bytes: int = 8 << 20
    max_image: int = MAX_IMAGE
    timeout_us: int = 1_000_000

    def __post_init__(self) -> None:
        for name, low, high in (
            ("maxpl", MIN_PAYLOAD, MAX_PAYLOAD),
            ("window", 1, MAX_WINDOW),
            ("max_image", 1, MAX_IMAGE),
            ("timeout_us", 500_000, 3_600_000_000),
        ):
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"{name} = {getattr(self, name)} is not within {low}..{high}")


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """One side of a link.

    Attributes
    ----------
    role
        ``box`` opens sessions, ``device`` answers.
    start_baud
        The rate at which both begin; ``None`` on a pipe that has none (TCP, USB, a pseudo-terminal).
    bauds
        Device: the rates it can change to.
    key
        The pre-shared key of a paired link, 32 bytes; ``None``: an open link.
    boot_id
        Device: differs from start to start.
    """

    role: Role
    limits: Limits = field(default_factory=Limits)
    start_baud: int | None = None
    bauds: tuple[int, ...] = ()
    caps: Caps = NO_CAPS
    identity: Identity = field(default_factory=dict)
    key: bytes | None = None
    boot_id: int = 1

    def __post_init__(self) -> None:
        if self.key is not None and len(self.key) != KEY_SIZE:
            raise ParameterError(f"a key has {KEY_SIZE} bytes, not {len(self.key)}")
        longest = MAX_BOX_IDENTITY if self.role == "box" else MAX_DEVICE_IDENTITY
        if (size := len(cbor.dumps(self.identity))) > longest:
            raise ParameterError(
                f"the identity of a {self.role} has {longest} bytes of CBOR at most, not {size}"
            )
