"""The messages of channel CTL: PROTOCOL.md, section 3.1."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.frame import MAX_PAYLOAD

NONCE_SIZE, PROOF_SIZE, PATTERN_SIZE = 16, 32, 64
PATTERN = b"\x00\xff\x55\xaa" * 8 + bytes(range(32, 64))
MAX_BITMAP = 8
VENDOR_NAME, MODEL, SERIAL, FIRMWARE = range(4)
"""Keys of an identity."""


class Type(IntEnum):
    """The first byte of a control message."""

    HELLO = 1
    WELCOME = 2
    ACK = 3
    PING = 4
    PONG = 5
    RESET = 6
    BOOT = 7
    BAUD_REQ = 8
    BAUD_OK = 9
    BAUD_PROBE = 10
    BYE = 11
    STATS = 12
    AUTH_FAIL = 13
    ERROR = 14


UNSALTED = (Type.HELLO, Type.WELCOME, Type.BOOT)


class Caps(IntFlag):
    """What a side can do."""

    IN_ORDER = 1 << 0
    BAUD = 1 << 1
    IMAGES = 1 << 2
    RESULTS = 1 << 3
    PTZ = 1 << 4
    UPDATE = 1 << 5
    PAIRING = 1 << 6


class Code(IntEnum):
    """Errors of ERROR and of RPC replies."""

    OK = 0
    UNKNOWN = 1
    INVALID = 2
    BUSY = 3
    RANGE = 4
    AUTH = 5
    NOMEM = 6
    HW = 7
    TIMEOUT = 8


WANT_PAIRED = 1
PAIRED, REFUSED_OPEN, REFUSED_VERSION = 1, 2, 4

_HELLO = struct.Struct("<BBBBIHBxI16s")
_WELCOME = struct.Struct("<BBBBIHBBI16s32s")
_ACK = struct.Struct("<BBHB")
_PING = struct.Struct("<B3xIQ")
_PONG = struct.Struct("<B3xIQQQ")
_BOOT = struct.Struct("<BB2xI")
_BAUD = struct.Struct("<B3xI")
_PROBE = struct.Struct("<BBBx64s")
_REASON = struct.Struct("<BB")
_AUTH_FAIL = struct.Struct("<BBH")
_ERROR = struct.Struct("<BBBH")

PROOF_AT = _WELCOME.size - PROOF_SIZE
PROBE_SIZE = _PROBE.size
HELLO_SIZE, WELCOME_SIZE = _HELLO.size, _WELCOME.size
"""Without the identity."""

Identity = Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The box opens a session."""

    vmin: int = 1
    vmax: int = 1
    paired: bool = False
    session: int
    maxpl: int
    window: int
    caps: int = 0
    nonce: bytes
    identity: Identity = field(default_factory=dict)

    def encode(self) -> bytes:
        flags = WANT_PAIRED if self.paired else 0
        fixed = (self.vmin, self.vmax, flags, self.session, self.maxpl, self.window, self.caps, self.nonce)
        return _HELLO.pack(Type.HELLO, *fixed) + cbor.dumps(self.identity)

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        _, vmin, vmax, flags, session, maxpl, window, caps, nonce = _unpack(_HELLO, payload)
        if not session:
            raise ProtocolError("HELLO with session 0")
        return cls(
            vmin=vmin,
            vmax=vmax,
            paired=bool(flags & WANT_PAIRED),
            session=session,
            maxpl=maxpl,
            window=window,
            caps=caps,
            nonce=nonce,
            identity=_identity(payload[_HELLO.size :]),
        )


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """The device's answer. ``proof`` is 32 zero bytes at level 0 and while the proof itself is computed."""

    version: int = 1
    flags: int = 0
    window: int
    session: int
    maxpl: int
    vmin: int = 1
    vmax: int = 1
    caps: int = 0
    nonce: bytes
    proof: bytes = bytes(PROOF_SIZE)
    identity: Identity = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return bool(self.flags & (REFUSED_OPEN | REFUSED_VERSION))

    def encode(self) -> bytes:
        fixed = (self.version, self.flags, self.window, self.session, self.maxpl, self.vmin, self.vmax)
        return _WELCOME.pack(Type.WELCOME, *fixed, self.caps, self.nonce, self.proof) + cbor.dumps(
            self.identity
        )

    @classmethod
    def decode(cls, payload: bytes) -> Welcome:
        (_, version, flags, window, session, maxpl, vmin, vmax, caps, nonce, proof) = _unpack(
            _WELCOME, payload
        )
        return cls(
            version=version,
            flags=flags,
            window=window,
            session=session,
            maxpl=maxpl,
            vmin=vmin,
            vmax=vmax,
            caps=caps,
            nonce=nonce,
            proof=proof,
            identity=_identity(payload[_WELCOME.size :]),
        )


@dataclass(frozen=True, slots=True)
class AckRecord:
    """What one stream received: everything below ``ack``, and ``ack + 1 + i`` where bit ``i`` is set."""

    sid: int
    credit: int
    ack: int
    bitmap: int = 0


def encode_ack(records: list[AckRecord]) -> bytes:
    """ACK, the bitmaps without their zero bytes at the end."""
    out = bytearray((Type.ACK,))
    for record in records:
        size = (record.bitmap.bit_length() + 7) // 8
        out += _ACK.pack(record.sid, record.credit, record.ack, size) + record.bitmap.to_bytes(size, "little")
    return bytes(out)


def decode_ack(payload: bytes) -> list[AckRecord]:
    """The records of ACK, one or two."""
    records: list[AckRecord] = []
    at = 1
    while at < len(payload) and len(records) < 2:
        sid, credit, ack, size = _unpack(_ACK, payload[at:])
        at += _ACK.size
        if sid > 1 or size > MAX_BITMAP or at + size > len(payload):
            raise ProtocolError("an ACK of a stream that there is not, or cut off")
        records.append(AckRecord(sid, credit, ack, int.from_bytes(payload[at : at + size], "little")))
        at += size
    if not records:
        raise ProtocolError("an ACK without a record")
    return records


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there, what is your time; times in microseconds."""

    id: int
    t1: int

    def encode(self) -> bytes:
        return _PING.pack(Type.PING, self.id, self.t1)

    @classmethod
    def decode(cls, payload: bytes) -> Ping:
        _, id, t1 = _unpack(_PING, payload)
        return cls(id, t1)


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer: ``t2`` when PING came, ``t3`` when this was sent, by the answering side's clock."""

    id: int
    t1: int
    t2: int
    t3: int

    def encode(self) -> bytes:
        return _PONG.pack(Type.PONG, self.id, self.t1, self.t2, self.t3)

    @classmethod
    def decode(cls, payload: bytes) -> Pong:
        _, id, t1, t2, t3 = _unpack(_PONG, payload)
        return cls(id, t1, t2, t3)


@dataclass(frozen=True, slots=True)
class Boot:
    """The device has started and has no session."""

    boot_id: int
    reason: int = 0

    def encode(self) -> bytes:
        return _BOOT.pack(Type.BOOT, self.reason, self.boot_id)

    @classmethod
    def decode(cls, payload: bytes) -> Boot:
        _, reason, boot_id = _unpack(_BOOT, payload)
        return cls(boot_id, reason)


def encode_baud(type: Type, baud: int) -> bytes:
    """BAUD_REQ or BAUD_OK."""
    return _BAUD.pack(type, baud)


def decode_baud(payload: bytes) -> int:
    """The rate; 0 refuses."""
    _, baud = _unpack(_BAUD, payload)
    return int(baud)


@dataclass(frozen=True, slots=True)
class Probe:
    """One of 16 frames that try a baud rate; ``good``: how many of the other side's came well."""

    index: int
    good: int = 0

    def encode(self) -> bytes:
        return _PROBE.pack(Type.BAUD_PROBE, self.index, self.good, PATTERN)

    @classmethod
    def decode(cls, payload: bytes) -> Probe:
        _, index, good, pattern = _unpack(_PROBE, payload)
        if pattern != PATTERN or index > 15:
            raise ProtocolError("a BAUD_PROBE with another pattern")
        return cls(index, good)


def encode_reason(type: Type, reason: int = 0) -> bytes:
    """RESET or BYE."""
    return _REASON.pack(type, reason)


def decode_reason(payload: bytes) -> int:
    """The reason of RESET or BYE."""
    _, reason = _unpack(_REASON, payload)
    return int(reason)


def encode_auth_fail(sid: int, seq: int) -> bytes:
    """AUTH_FAIL: a frame lacked its tag, or it was wrong."""
    return _AUTH_FAIL.pack(Type.AUTH_FAIL, sid, seq & 0xFFFF)


def decode_auth_fail(payload: bytes) -> tuple[int, int]:
    """Stream and SEQ."""
    _, sid, seq = _unpack(_AUTH_FAIL, payload)
    return sid, seq


def encode_error(code: int, ch: int, seq: int) -> bytes:
    """ERROR: a frame could not be used."""
    return _ERROR.pack(Type.ERROR, code, ch, seq & 0xFFFF)


def decode_error(payload: bytes) -> tuple[int, int, int]:
    """Code, channel and SEQ."""
    _, code, ch, seq = _unpack(_ERROR, payload)
    return code, ch, seq


def encode_stats(counters: Mapping[int, int] | None, limit: int = MAX_PAYLOAD) -> bytes:
    """STATS: asks with ``None``, else answers, with as many of the first counters as ``limit`` bytes hold."""
    if counters is None:
        return bytes((Type.STATS,))
    held = dict(counters)
    while len(encoded := bytes((Type.STATS,)) + cbor.dumps(held)) > limit:
        held.popitem()
    return encoded


def decode_stats(payload: bytes) -> dict[int, int] | None:
    """The other side's counters, or ``None``: it asks for ours."""
    if len(payload) == 1:
        return None
    counters = cbor.load_map(payload[1:])
    if not all(type(value) is int and value >= 0 for value in counters.values()):
        raise ProtocolError("STATS holds something that is not a count")
    return counters


def _unpack(layout: struct.Struct, payload: bytes) -> tuple[Any, ...]:
    """The fields; what is appended after them is for later versions."""
    if len(payload) < layout.size:
        raise ProtocolError(f"a control message is cut off: {len(payload)} bytes, not {layout.size}")
    return layout.unpack_from(payload)


def _identity(data: bytes) -> Identity:
    """The text entries of an identity; anything else in it is skipped."""
    if not data:
        return {}
    value, _ = cbor.decode(data, 0)
    if not isinstance(value, dict):
        raise ProtocolError("an identity that is not a map")
    return {key: text for key, text in value.items() if isinstance(text, str)}
