"""How a device answers HELLO: PROTOCOL.md, sections 3.2 and 4."""

import struct

_REFUSED_OPEN, _REFUSED_VERSION = 2, 4


class Terms:
    """What WELCOME says, and what follows from it. ``key`` is the session's, None at level 0."""

    def __init__(self, hello, maxpl, window, caps, identity, psk, nonce):
        flags = 0 if hello[1] <= 1 <= hello[2] else _REFUSED_VERSION
        if psk is not None:
            flags |= 1 if hello[3] & 1 else _REFUSED_OPEN
        self.refused = bool(flags & (_REFUSED_OPEN | _REFUSED_VERSION))
        self.session = session_of(hello)
        self.maxpl = max(64, min(maxpl, hello[8] | hello[9] << 8))
        self.window = max(1, min(window, hello[10]))
        self.in_order = bool(hello[12] & 1)
        self.key = None
        version = 0 if flags & _REFUSED_VERSION else 1
        limits = (version, flags, self.window, self.session, self.maxpl, 1, 1)
        self.welcome = struct.pack("<BBBBIHBBI16s32s", 2, *limits, caps, nonce, b"") + identity
        if psk is not None and not self.refused:
            from vlp_auth import proof, session_key

            shown = proof(psk, hello, self.welcome)
            self.welcome = self.welcome[:32] + shown + self.welcome[64:]
            self.key = session_key(psk, shown)


def session_of(hello):
    """The session number of a HELLO; 0 if it is invalid."""
    return struct.unpack_from("<I", hello, 4)[0] if len(hello) >= 32 else 0
