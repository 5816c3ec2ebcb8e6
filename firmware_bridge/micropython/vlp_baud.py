"""Going to another baud rate, and back if it does not hold: PROTOCOL.md, section 3.5, the side that is asked."""

import struct

from vlp_stream import since

try:
    from micropython import const
except ImportError:  # CPython
    const = int

_T_OK = const(9)
_T_PROBE = const(10)
_PROBES = const(16)
_ENOUGH = const(15)
_LISTENS = const(150000)
_GIVES_UP = const(450000)
_IDLE = const(0)
_ANSWERING = const(1)
_ANSWERED = const(2)
_LISTENING = const(3)
_JUDGED = const(4)


PATTERN = b"\x00\xff\x55\xaa" * 8 + bytes(range(32, 64))


class Baud:
    """A change of rate: asked for, answered, listened for 16 probes of the box, judged."""

    def __init__(self, bauds):
        self._bauds = bauds
        self.reset()

    def reset(self):
        """The link is down, or the change is over."""
        self._phase = _IDLE
        self._refuse = False
        self._old = self._new = self._good = self._sent = self._begun = 0

    def active(self):
        """Whether data must wait."""
        return self._phase != _IDLE or self._refuse

    def asked(self, old, new):
        """BAUD_REQ came."""
        if self._phase > _ANSWERED:
            return
        if old and new in self._bauds:
            self._phase, self._old, self._new = _ANSWERING, old, new
        else:
            self._refuse = True

    def probed(self, payload):
        """BAUD_PROBE came; false if it is not one."""
        if len(payload) < 68 or payload[1] >= _PROBES or bytes(payload[4:68]) != PATTERN:
            return False
        if self._phase >= _LISTENING:
            self._good += 1
            if payload[1] == _PROBES - 1:
                self._phase = _JUDGED
        return True

    def heard(self):
        """A valid frame that is not about the rate: the box has made up its mind. True if the change stands by it."""
        if self._phase == _JUDGED and self._good >= _ENOUGH and self._sent >= _PROBES:
            self.reset()
            return True
        return False

    def payload(self):
        """The control message to send now, or None."""
        if self._refuse:
            self._refuse = False
            return struct.pack("<B3xI", _T_OK, 0)
        if self._phase == _ANSWERING:
            self._phase = _ANSWERED
            return struct.pack("<B3xI", _T_OK, self._new)
        if self._phase == _JUDGED and self._good >= _ENOUGH and self._sent < _PROBES:
            self._sent += 1
            return struct.pack("<BBBx64s", _T_PROBE, self._sent - 1, self._good, PATTERN)
        return None

    def switch(self, now):
        """The rate to change to now that everything has left, or 0. Called once a poll."""
        if self._phase == _ANSWERED:
            self._phase, self._begun = _LISTENING, now
            self._good = self._sent = 0
            return self._new
        if self._phase == _LISTENING and since(now, self._begun) >= _LISTENS:
            self._phase = _JUDGED
        if self._phase == _JUDGED and since(now, self._begun) >= _GIVES_UP:
            old = self._old
            self.reset()
            return old
        return 0
