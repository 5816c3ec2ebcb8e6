"""Proof of a pre-shared key, and the tags of frames: PROTOCOL.md, section 4."""

from __future__ import annotations

import hmac
import struct
from typing import Literal

from vedette_bridge.vlp.control import PROOF_AT, PROOF_SIZE
from vedette_bridge.vlp.frame import FWUP, PTZ, RPC, RTX, TRIGGER, VERSION_BITS

KEY_SIZE = 32
TAG_SIZE = 8
TAGGED = frozenset((RPC, TRIGGER, PTZ, FWUP))
"""Channels whose frames must have a tag at level 1."""

Role = Literal["box", "device"]

_COVERED = struct.Struct("<BQBBHB")


def proof(key: bytes, hello: bytes, welcome: bytes) -> bytes:
    """What a device with ``key`` puts into WELCOME; ``hello`` and ``welcome`` are the payloads."""
    return hmac.digest(key, b"VLP1 device" + hello + _without_proof(welcome), "sha256")


def session_key(key: bytes, proof: bytes) -> bytes:
    """The key that tags the frames of the session which began with this proof."""
    return hmac.digest(key, b"VLP1 key" + proof, "sha256")


def proves(key: bytes, hello: bytes, welcome: bytes) -> bool:
    """Whether the WELCOME comes from one who has ``key``; takes the same time for every answer."""
    given = welcome[PROOF_AT : PROOF_AT + PROOF_SIZE]
    return hmac.compare_digest(given, proof(key, hello, welcome))


def tag(
    key: bytes, sender: Role, number: int, vf: int, ch: int, sid: int, payload: bytes | memoryview
) -> bytes:
    """The tag of a frame. ``number``: frames on its stream before it; ``vf``: with its flags, with or without version;
    ``payload``: without the tag."""
    length = len(payload) + TAG_SIZE
    covered = _COVERED.pack(sender == "device", number, (vf | VERSION_BITS) & ~RTX, ch, length, sid)
    return hmac.digest(key, covered + payload, "sha256")[:TAG_SIZE]


def _without_proof(welcome: bytes) -> bytes:
    return welcome[:PROOF_AT] + bytes(PROOF_SIZE) + welcome[PROOF_AT + PROOF_SIZE :]
