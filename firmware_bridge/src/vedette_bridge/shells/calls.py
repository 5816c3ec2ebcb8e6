"""Requests to a camera that outlive a session: sent again under the same id, which the camera carries out once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from vedette_bridge.errors import (
    AuthError,
    DeviceError,
    LinkError,
    LinkTimeoutError,
    QueueFullError,
)
from vedette_bridge.vlp.control import Code
from vedette_bridge.vlp.frame import RPC
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.rpc import Method, Reply, RpcClient

FIXES = {
    Code.RANGE: "its range is in `vedette bridge probe`",
    Code.BUSY: "try again when it has finished what it does",
    Code.AUTH: "pair it anew, or put it into pairing mode first",
}


class Call:
    """One request. ``done`` once there is an answer or an error; :meth:`result` gives either."""

    def __init__(self, what: str, deadline_us: int) -> None:
        self.what = what
        self.deadline_us = deadline_us
        self.on_done: Callable[[], None] = lambda: None
        self._reply: Reply | None = None
        self._error: LinkError | None = None

    @property
    def done(self) -> bool:
        return self._reply is not None or self._error is not None

    def result(self) -> Mapping[int, Any]:
        """What came back.

        Raises
        ------
        DeviceError
            The camera refused.
        AuthError
            It refused for want of a key.
        LinkTimeoutError
            No answer came in time; whether it was carried out is not known.
        """
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        error = self._reply.error
        if not error:
            return self._reply.result
        try:
            code = Code(error)
        except ValueError:
            raise DeviceError(f"{self.what}: refused with error {error}", code=str(error)) from None
        if code is Code.AUTH:
            raise AuthError(f"{self.what}: refused", fix=FIXES[code])
        raise DeviceError(f"{self.what}: refused: {code.name}", code=code.name, fix=FIXES.get(code, ""))

    def answered(self, reply: Reply) -> None:
        """The reply came."""
        self._reply = reply
        self.on_done()

    def failed(self, error: LinkError) -> None:
        """There will be no reply."""
        if not self.done:
            self._error = error
            self.on_done()


class Calls:
    """The open requests of a link. Not thread-safe.

    Parameters
    ----------
    name
        What messages call the camera.
    """

    def __init__(self, name: str, link: Link) -> None:
        self._name = name
        self._link = link
        self._client = RpcClient(int.from_bytes(os.urandom(4), "little"))
        self._open: dict[int, Call] = {}
        self._sent: set[int] = set()
        self.ready = False
        """Whether requests can be sent; else they wait for :meth:`session_began`."""
        self.repeated = 0

    def begin(self, method: int, args: Mapping[int, Any] | None, deadline_us: int) -> Call:
        """Ask; without a session, as soon as there is one.

        Raises
        ------
        QueueFullError
            Too many requests are open.
        """
        if self._client.full:
            raise QueueFullError(f"{self._name}: {len(self._open)} requests are open already")
        what = Method(method).name.lower() if method in set(Method) else f"method {method}"
        id, payload = self._client.request(method, args)
        call = self._open[id] = Call(f"{self._name}: {what}", deadline_us)
        if self.ready:
            self._send(id, payload)
        return call

    def session_began(self) -> None:
        """Ask again what was not answered."""
        self.ready = True
        for id, payload in list(self._client.open.items()):
            self.repeated += id in self._sent
            self._send(id, payload)

    def session_ended(self) -> None:
        """What is open waits."""
        self.ready = False

    def replied(self, payload: bytes) -> None:
        """A frame of channel RPC; raises ``ProtocolError`` for one that is no reply."""
        reply = self._client.reply(payload)
        if reply is not None and (call := self._open.pop(reply.id, None)) is not None:
            self._sent.discard(reply.id)
            call.answered(reply)

    def expire(self, now_us: int) -> int:
        """Give up those whose time is over; how many those were."""
        late = [(id, call) for id, call in self._open.items() if now_us >= call.deadline_us]
        for id, call in late:
            self._forget(id)
            call.failed(LinkTimeoutError(f"{call.what}: no answer in time", fix="is the camera running?"))
        return len(late)

    def fail_all(self, error: LinkError) -> None:
        """There will be no answers any more."""
        for id, call in list(self._open.items()):
            self._forget(id)
            call.failed(error)

    @property
    def due_us(self) -> int | None:
        return min((call.deadline_us for call in self._open.values()), default=None)

    def __len__(self) -> int:
        return len(self._open)

    def _forget(self, id: int) -> None:
        self._client.give_up(id)
        self._sent.discard(id)
        del self._open[id]

    def _send(self, id: int, payload: bytes) -> None:
        self._link.send(RPC, payload)
        self._sent.add(id)
