"""Requests and replies of channel RPC: PROTOCOL.md, section 5.1. No input or output, no retries of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeGuard

from vedette_bridge.errors import ProtocolError, QueueFullError
from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.control import Code

MAX_OPEN = 32
KEPT_REPLIES = 8
ID, METHOD, ARGS, ERROR = 0, 1, 2, 3
RESULT = ARGS
"""Key 2 is the arguments in a request, the result in a reply."""


class Method(IntEnum):
    """Methods that every device may have; 64 and above are a vendor's."""

    GET_CAPS = 0
    GET = 1
    SET = 2
    TRIGGER = 3
    START = 4
    STOP = 5
    REBOOT = 6
    SUBSCRIBE = 7
    PAIR = 8


class Parameter(IntEnum):
    """Parameters of a camera; 64 and above are a vendor's."""

    EXPOSURE_US = 1
    GAIN_Q8 = 2
    ROI = 3
    RATE_MHZ = 4
    FORMAT = 5
    QUALITY = 6
    FLIP = 7
    LED = 8
    GPIO = 9
    SIZE = 10


class RpcError(Exception):
    """A handler's refusal; ``code`` goes into the reply."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    id: int
    error: int
    result: Mapping[int, Any]


class RpcClient:
    """Numbers requests and knows which are open."""

    def __init__(self, first_id: int) -> None:
        self._next = first_id & 0xFFFFFFFF
        self.open: dict[int, bytes] = {}
        """Payload by id: what to send again after a change of session."""

    @property
    def full(self) -> bool:
        """Whether a request must wait for a reply."""
        return len(self.open) >= MAX_OPEN

    def request(self, method: int, args: Mapping[int, Any] | None = None) -> tuple[int, bytes]:
        """Id and payload of a request; :class:`QueueFullError` while :attr:`full`."""
        if self.full:
            raise QueueFullError(f"{MAX_OPEN} requests wait for their replies already")
        id, self._next = self._next, (self._next + 1) & 0xFFFFFFFF
        body: dict[int, Any] = {ID: id, METHOD: int(method)}
        if args:
            body[ARGS] = args
        payload = cbor.dumps(body)
        self.open[id] = payload
        return id, payload

    def reply(self, payload: bytes) -> Reply | None:
        """A reply to an open request; ``None`` for any other (answered before, or given up)."""
        body = cbor.load_map(payload)
        id, error, result = body.get(ID), body.get(ERROR, 0), body.get(RESULT, {})
        if not (_unsigned(id) and _unsigned(error) and isinstance(result, dict)):
            raise ProtocolError("RPC: a reply without id, or with a result that is not a map")
        return None if self.open.pop(id, None) is None else Reply(id, error, result)

    def give_up(self, id: int) -> None:
        """Nobody waits for this reply any more."""
        self.open.pop(id, None)


Handler = Callable[[int, Mapping[int, Any]], Mapping[int, Any] | None]


class RpcServer:
    """Answers requests; keeps its last replies, so that a request which comes again is not carried out again."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.repeated = 0

    def answer(self, payload: bytes) -> bytes:
        """The payload of the reply.

        Raises
        ------
        ProtocolError
            Not a request at all: there is no id to answer to.
        """
        body = cbor.load_map(payload)
        id = body.get(ID)
        if not _unsigned(id):
            raise ProtocolError("RPC: a request without id")
        if id in self._kept:
            self.repeated += 1
            return self._kept[id]
        reply = self._kept[id] = cbor.dumps(self._carry_out(id, body))
        if len(self._kept) > KEPT_REPLIES:
            self._kept.popitem(last=False)
        return reply

    def _carry_out(self, id: int, body: Mapping[int, Any]) -> dict[int, Any]:
        method, args = body.get(METHOD), body.get(ARGS, {})
        if not (_unsigned(method) and isinstance(args, dict)):
            return {ID: id, ERROR: int(Code.INVALID)}
        try:
            result = self._handle(method, args)
        except RpcError as error:
            return {ID: id, ERROR: int(error.code)}
        return {ID: id, RESULT: result} if result else {ID: id}


def _unsigned(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0
