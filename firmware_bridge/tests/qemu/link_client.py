"""A box's link over TCP in one thread: nothing happens outside :meth:`LinkClient.run`."""

import os
import select
import socket
import time
from collections import Counter
from contextlib import suppress

from vedette_bridge.vlp.baud import SwitchBaud
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Down, Message, Up
from vedette_bridge.vlp.frame import RPC
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.rpc import RpcClient

PATIENCE_S = 40
"""How long anything may take on a machine that does other things too; no test measures against it."""
RETRY_S = 0.02


def now_us():
    return time.monotonic_ns() // 1000


class LinkClient:
    """Connects, and connects again when the other side goes away.

    ``events`` is all that the link has told, ``times_us`` when that was. ``first_byte_us`` is set by the first byte
    after it was set to ``None``. ``on_bytes`` sees all that comes. ``pending`` is what is still to be written; while
    ``mute``, nothing is.
    """

    def __init__(self, address, **config):
        self.link = Link(LinkConfig(role="box", **config), now_us)
        self.events, self.times_us = [], []
        self.first_byte_us = None
        self.mute = False
        self.on_bytes = lambda data: None
        self._address = address
        self._socket = None
        self.pending = b""
        self._rpc = RpcClient(int.from_bytes(os.urandom(2), "little"))
        self._replies = {}
        self.link.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        goodbye = self.link.close()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send(goodbye)
            self._disconnect()

    def run(self, until, seconds=PATIENCE_S):
        """Let the link live until ``until()`` is true, and give that."""
        deadline = time.monotonic() + seconds
        while not (found := until()):
            assert time.monotonic() < deadline, self.story()
            self._turn()
        return found

    def rest(self, seconds):
        """Let the link live for a while."""
        end = time.monotonic() + seconds
        self.run(lambda: time.monotonic() >= end)

    def story(self):
        """What has become of the link, for whoever waited in vain."""
        told = Counter(type(event).__name__ for event in self.events)
        return self.link.state, dict(told), self.of(Down), self.link.statistics()

    def up(self):
        """Wait for a session that there was not yet; its terms."""
        before = len(self.events)
        return self.run(lambda: next((e for e in self.events[before:] if isinstance(e, Up)), None))

    def opened(self):
        """Wait until there is a session."""
        self.run(lambda: self.link.state == "up")
        return next(e for e in reversed(self.events) if isinstance(e, Up))

    def of(self, kind, since=0):
        """The events of a kind, from number ``since`` on."""
        return [event for event in self.events[since:] if isinstance(event, kind)]

    def request(self, method, args=None):
        """Id and payload of a request."""
        return self._rpc.request(method, args)

    def call(self, method, args=None):
        """The reply to a request."""
        id, payload = self.request(method, args)
        self.link.send(RPC, payload)
        return self.run(lambda: self._replies.pop(id, None))

    def _turn(self):
        self._tell(self.link.poll())
        self.pending += self.link.take_output()
        if self.mute:
            self.pending = b""
        if self._socket is None and not self._connect():
            time.sleep(RETRY_S)
            return
        due = self.link.due_us
        wait_s = 0.05 if due is None else min(max(due - now_us(), 0) / 1e6, 0.05)
        writes = [self._socket] if self.pending else []
        try:
            readable, writable, _ = select.select([self._socket], writes, [], wait_s)
            if writable:
                self.pending = self.pending[self._socket.send(self.pending) :]
            if readable:
                self._read()
        except OSError:
            self._disconnect()

    def _read(self):
        data = self._socket.recv(65536)
        if not data:
            self._disconnect()
            return
        if self.first_byte_us is None:
            self.first_byte_us = now_us()
        self.on_bytes(data)
        self._tell(self.link.feed(data))

    def _tell(self, events):
        for event in events:
            self.events.append(event)
            self.times_us.append(now_us())
            if isinstance(event, SwitchBaud):
                self._tell(self.link.baud_switched(event.baud))
            elif isinstance(event, Message) and event.ch == RPC:
                reply = self._rpc.reply(event.payload)
                if reply is not None:
                    self._replies[reply.id] = reply

    def _connect(self):
        try:
            self._socket = socket.create_connection(self._address, timeout=1)
        except OSError:
            return False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        return True

    def _disconnect(self):
        self._socket.close()
        self._socket = None
        self.pending = b""
