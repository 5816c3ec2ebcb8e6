"""Control messages that a device has to send: PROTOCOL.md, section 3.1. Each is made when it leaves."""

import struct

try:
    from micropython import const
except ImportError:  # CPython
    const = int

_T_ACK = const(3)
_T_PING = const(4)
_T_PONG = const(5)
_T_BAUD_OK = const(9)
_T_STATS = const(12)
_T_AUTH_FAIL = const(13)
_T_ERROR = const(14)


class Control:
    """What is to be said: at most one message of each kind waits."""

    def __init__(self):
        self._pong = bytearray(32)
        self._pong[0] = _T_PONG
        self.restart()

    def restart(self):
        """A new session, or none."""
        self.ack = self.ping = self.stats = self.refuse_baud = self._answer = False
        self._error = self._auth_fail = None

    def pinged(self, payload, time_us):
        """PING came."""
        self._pong[4:16] = payload[4:16]
        struct.pack_into("<Q", self._pong, 16, time_us)
        self._answer = True

    def error(self, code, ch, seq):
        """A frame could not be used."""
        self._error = (code, ch, seq)

    def auth_fail(self, sid, seq):
        """A frame lacked its tag, or it was wrong."""
        self._auth_fail = (sid, seq)

    def take(self, link, session):
        """The most urgent message, or None."""
        if self._answer:
            self._answer, self.ack = False, True
            struct.pack_into("<Q", self._pong, 24, link.time_us())
            return bytes(self._pong)
        if self.ack:
            self.ack = False
            return struct.pack("<BBBHBBBHB", _T_ACK, *session.acknowledgement())
        if self.ping:
            self.ping = False
            return struct.pack("<B3xIQ", _T_PING, 0, link.time_us())
        if self.refuse_baud:
            self.refuse_baud = False
            return struct.pack("<B3xI", _T_BAUD_OK, 0)
        if self._error:
            error, self._error = self._error, None
            return struct.pack("<BBBH", _T_ERROR, *error)
        if self._auth_fail:
            auth_fail, self._auth_fail = self._auth_fail, None
            return struct.pack("<BBH", _T_AUTH_FAIL, *auth_fail)
        if self.stats:
            from vlp_cbor import dumps

            self.stats = False
            return bytes((_T_STATS,)) + dumps(link.statistics())
        return None
