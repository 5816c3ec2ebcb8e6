"""Level 1 of VLP/1, a pre-shared key: PROTOCOL.md, section 4. MicroPython has no hmac module: this is RFC 2104."""

import hashlib
import struct

TAG_SIZE = 8
KEY_SIZE = 32
_BLOCK = 64


def hmac(key, *parts):
    """HMAC-SHA-256 of the parts, one after the other; the key has at most 64 bytes."""
    pad = bytearray(_BLOCK)
    for i in range(_BLOCK):
        pad[i] = 0x36 ^ (key[i] if i < len(key) else 0)
    inner = hashlib.sha256(pad)
    for part in parts:
        inner.update(part)
    for i in range(_BLOCK):
        pad[i] ^= 0x36 ^ 0x5C
    outer = hashlib.sha256(pad)
    outer.update(inner.digest())
    return outer.digest()


def equal(a, b):
    """Compare; how long it takes does not depend on where they differ."""
    difference = len(a) ^ len(b)
    for i in range(min(len(a), len(b))):
        difference |= a[i] ^ b[i]
    return difference == 0


def proof(psk, hello, welcome):
    """What goes into WELCOME; ``hello`` and ``welcome`` are the payloads, the proof's bytes still zero."""
    return hmac(psk, b"VLP1 device", hello, welcome)


def session_key(psk, proof):
    """The key of the session that began with this proof."""
    return hmac(psk, b"VLP1 key", proof)


def tag(key, direction, number, vf, ch, sid, size, *parts):
    """The tag of a frame. ``direction``: 0 from the box, 1 from the device; ``vf``: whole, RTX is left out here;
    ``size``: LEN of the header, with the tag; ``parts``: the payload without it."""
    covered = struct.pack("<BQBBHB", direction, number, vf & 0xFB, ch, size, sid)
    return hmac(key, covered, *parts)[:TAG_SIZE]
