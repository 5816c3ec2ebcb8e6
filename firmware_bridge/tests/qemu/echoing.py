"""Messages to channel 100, which the firmware sends back in order."""

import random
import struct

from vedette_bridge.vlp.events import Message

ECHO = 100
AT_ONCE = 8
"""So many messages the firmware keeps at a time; it refuses more."""
HEAD = struct.Struct("<II")


class Echo:
    """Sends numbered messages of ``size`` bytes over a client's link, and keeps what comes back.

    Each says of which session it is: ``stale`` counts what came from another one.
    """

    def __init__(self, client, size=512, seed=1):
        self._client, self._size = client, size
        self._rng = random.Random(seed)
        self._seen = len(client.events)
        self.begin()

    def begin(self):
        """A session begins: what was on its way is lost."""
        self._session = self._client.opened().session
        self.sent, self.back = [], []
        self.stale = 0

    def step(self, count):
        """Send what there is room for; whether ``count`` messages are back."""
        for event in self._client.events[self._seen :]:
            if isinstance(event, Message) and event.ch == ECHO:
                self.stale += HEAD.unpack_from(event.payload)[0] != self._session
                self.back.append(event.payload)
        self._seen = len(self._client.events)
        while len(self.sent) < count and len(self.sent) - len(self.back) < AT_ONCE:
            head = HEAD.pack(self._session, len(self.sent))
            self.sent.append(head + self._rng.randbytes(self._size - len(head)))
            self._client.link.send(ECHO, self.sent[-1])
        return len(self.back) >= count

    def run(self, count):
        """Send ``count`` messages, and wait for all of them."""
        self._client.run(lambda: self.step(count))
        assert self.back == self.sent[:count]
        assert not self.stale
