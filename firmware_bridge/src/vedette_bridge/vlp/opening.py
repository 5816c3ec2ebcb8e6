"""How a session comes about: PROTOCOL.md, sections 3.2, 3.3 and 4. Times in microseconds.

Each side is a small machine: it takes HELLO, WELCOME or BOOT, and says what to send with salt 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.control import (
    NONCE_SIZE,
    PAIRED,
    PROOF_AT,
    PROOF_SIZE,
    REFUSED_OPEN,
    REFUSED_VERSION,
    Boot,
    Caps,
    Hello,
    Identity,
    Welcome,
)
from vedette_bridge.vlp.events import Refused
from vedette_bridge.vlp.frame import MAX_WINDOW, MIN_PAYLOAD, VERSION
from vedette_bridge.vlp.security import proof, proves, session_key

HELLO_GAP_US = 200_000
HELLO_APART_US = 100_000
"""Two HELLO closer than this may come from one damaged payload."""
BOOT_GAP_US = 500_000

Random = Callable[[int], bytes]
"""``random(n)`` gives ``n`` bytes that nobody can foresee."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a session was opened with."""

    session: int
    maxpl: int
    window: int
    caps: int
    identity: Identity
    key: bytes | None
    """The session's key; ``None`` at level 0."""

    @property
    def in_order(self) -> bool:
        """Whether the other side takes frames in order only."""
        return bool(self.caps & Caps.IN_ORDER)


class PeerForgot:
    """The device has begun the session a second time: it does not know what was sent in it so far."""


class HalfOpen:
    """What a device sends that has answered and was not heard yet: nothing but that answer."""

    send_us = None

    def take(self, now_us: int) -> bytes | None:
        return None


class BoxOpening:
    """Sends HELLO until it is welcomed."""

    def __init__(self, config: LinkConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._session = 0
        self._hello = self._accepted = b""
        self.send_us: int | None = None

    def begin(self, now_us: int) -> None:
        """Open a new session."""
        last = self._session
        while self._session in (0, last):
            self._session = int.from_bytes(self._random(4), "little")
        config = self._config
        self._hello = Hello(
            paired=config.key is not None,
            session=self._session,
            maxpl=config.limits.maxpl,
            window=config.limits.window,
            caps=config.caps,
            nonce=self._random(NONCE_SIZE),
            identity=config.identity,
        ).encode()
        self.send_us = now_us

    def take(self, now_us: int) -> bytes | None:
        """The HELLO to send now."""
        if self.send_us is None or now_us < self.send_us:
            return None
        self.send_us = now_us + HELLO_GAP_US
        return self._hello

    def booted(self, now_us: int) -> None:
        """The device has no session: tell it at once."""
        if self.send_us is not None:
            self.send_us = min(self.send_us, now_us)

    def welcomed(self, payload: bytes) -> Terms | Refused | PeerForgot | None:
        """WELCOME came: the terms, or why not; ``None`` if it says nothing new."""
        welcome = Welcome.decode(payload)
        if welcome.session != self._session:
            return None
        if self.send_us is None:
            return PeerForgot() if payload != self._accepted else None
        key = self._config.key
        if welcome.refused or welcome.version != VERSION:
            return Refused("open" if welcome.flags & REFUSED_OPEN else "version")
        if key is not None and not welcome.flags & PAIRED:
            return Refused("unpaired")
        if key is not None and not proves(key, self._hello, payload):
            return Refused("key")
        limits = self._config.limits
        self._accepted = payload
        self.send_us = None
        return Terms(
            session=welcome.session,
            maxpl=max(MIN_PAYLOAD, min(welcome.maxpl, limits.maxpl)),
            window=max(1, min(welcome.window, limits.window)),
            caps=welcome.caps,
            identity=welcome.identity,
            key=None if key is None else session_key(key, welcome.proof),
        )


class DeviceOpening:
    """Sends BOOT until it is greeted, and answers."""

    def __init__(self, config: LinkConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._boot = Boot(config.boot_id).encode()
        self._welcome = b""
        self._session = 0
        self._candidate = self._candidate_us = 0
        self.send_us: int | None = None

    def begin(self, now_us: int) -> None:
        """There is no session."""
        self._session = self._candidate = 0
        self.send_us = now_us

    def take(self, now_us: int) -> bytes | None:
        """The BOOT to send now."""
        if self.send_us is None or now_us < self.send_us:
            return None
        self.send_us = now_us + BOOT_GAP_US
        return self._boot

    def heard(self) -> None:
        """A valid frame of the session came: a HELLO before it was found in something damaged."""
        self._candidate = 0

    def greeted(self, payload: bytes, established: bool, now_us: int) -> tuple[bytes, Terms | None]:
        """HELLO came: the WELCOME to send (empty: none), and the terms if it begins a new session."""
        hello = Hello.decode(payload)
        if hello.session == self._session:
            return self._welcome, None
        if established and hello.session != self._candidate:
            self._candidate, self._candidate_us = hello.session, now_us
            return b"", None
        if established and now_us - self._candidate_us < HELLO_APART_US:
            return b"", None
        welcome, terms = self._answer(hello, payload)
        if terms is not None:
            self._session, self._candidate = hello.session, 0
            self._welcome = welcome
            self.send_us = None
        return welcome, terms

    def _answer(self, hello: Hello, payload: bytes) -> tuple[bytes, Terms | None]:
        config, key = self._config, self._config.key
        flags = 0
        if not hello.vmin <= VERSION <= hello.vmax:
            flags |= REFUSED_VERSION
        if key is not None and not hello.paired:
            flags |= REFUSED_OPEN
        elif key is not None:
            flags |= PAIRED
        refused = bool(flags & (REFUSED_OPEN | REFUSED_VERSION))
        welcome = Welcome(
            version=0 if flags & REFUSED_VERSION else VERSION,
            flags=flags,
            window=max(1, min(hello.window, config.limits.window, MAX_WINDOW)),
            session=hello.session,
            maxpl=max(MIN_PAYLOAD, min(hello.maxpl, config.limits.maxpl)),
            caps=config.caps,
            nonce=self._random(NONCE_SIZE),
            identity=config.identity,
        )
        encoded = welcome.encode()
        if refused:
            return encoded, None
        session = None
        if key is not None:
            shown = proof(key, payload, encoded)
            session = session_key(key, shown)
            encoded = _with_proof(encoded, shown)
        terms = Terms(
            session=hello.session,
            maxpl=welcome.maxpl,
            window=welcome.window,
            caps=hello.caps,
            identity=hello.identity,
            key=session,
        )
        return encoded, terms


def _with_proof(welcome: bytes, value: bytes) -> bytes:
    return welcome[:PROOF_AT] + value + welcome[PROOF_AT + PROOF_SIZE :]
