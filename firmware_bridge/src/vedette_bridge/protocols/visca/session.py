"""Commands and inquiries over a pipe: which answer belongs to which, and how long to wait.

A camera acknowledges a command with a socket number (it has two), and completes it under that number later, while other
commands and inquiries go on. There is no thread here: whoever waits for anything reads for everybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from vedette_bridge.errors import DeviceError, LinkTimeoutError
from vedette_bridge.protocols.visca.messages import END, ERRORS, INQUIRE, Reply, cancel, parse_reply
from vedette_bridge.protocols.visca.pipes import Pipe

_SLICE_S = 0.02
_TRIES = 3


@dataclass(eq=False, slots=True)
class Sent:
    """A command or inquiry, and what became of it."""

    body: bytes
    number: int | None
    socket: int | None = None
    """``None`` until it is acknowledged."""
    answer: bytes | None = None
    """``None`` until it is done."""
    error: str = ""

    @property
    def over(self) -> bool:
        return self.answer is not None or self.error != ""


class Session:
    """The conversation with one camera. Safe to use from several threads."""

    def __init__(self, pipe: Pipe, address: int, timeout_s: float) -> None:
        self.pipe = pipe
        self.name = f"visca camera {address} on {pipe.name}"
        self._address = address
        self._timeout_s = timeout_s
        self._lock = threading.RLock()
        self._unanswered: Sent | None = None
        self._running: dict[int, Sent] = {}  # by socket: at most 16

    def ask(self, body: bytes) -> bytes:
        """The data of the answer to an inquiry. Sent again if it may have been lost.

        Raises
        ------
        LinkTimeoutError, DeviceError
        """
        for left in reversed(range(_TRIES)):
            with self._lock:
                sent = self._send(body)
                if self._until(lambda: sent.over, self._timeout_s):  # noqa: B023 - it does not outlive the loop
                    return self._outcome(sent)
                self._unanswered = None
            if not left or not self.pipe.retries:
                break
        raise self._silence(body)

    def command(self, body: bytes) -> Sent:
        """Give a command, and return when the camera has taken it.

        Raises
        ------
        LinkTimeoutError, DeviceError
        """
        with self._lock:
            sent = self._send(body)
            for left in reversed(range(_TRIES)):
                if self._until(lambda: sent.over or sent.socket is not None, self._timeout_s):
                    break
                if not left or not self.pipe.retries:
                    self._unanswered = None
                    raise self._silence(body)
                self.pipe.counters["sent_again"] += 1
                self.pipe.send(
                    self._message(body), sent.number
                )  # the same number: it cannot be carried out twice
            if sent.error:
                self._outcome(sent)
            return sent

    def wait(self, sent: Sent, timeout_s: float) -> None:
        """Return when a command is done.

        Raises
        ------
        LinkTimeoutError, DeviceError
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._pump(0.0 if sent.over else _SLICE_S)
            if sent.over:
                break
            if time.monotonic() > deadline:
                raise LinkTimeoutError(
                    f"{self.name}: command {sent.body.hex(' ')} is not done after {timeout_s:g} s",
                    fix="it may still be moving: wait longer, or cancel the move",
                )
            time.sleep(0.001)  # a lock that is taken again at once is never given to another thread
        self._outcome(sent)

    def cancel(self, sent: Sent) -> None:
        """Have the camera give a command up. Its end is seen by :meth:`wait`."""
        with self._lock:
            if not sent.over and sent.socket:
                self.pipe.send(self._message(cancel(sent.socket)))

    def tell(self, body: bytes) -> None:
        """Send what is answered in no regular way."""
        with self._lock:
            self.pipe.send(self._message(body))

    def _message(self, body: bytes) -> bytes:
        return bytes((0x80 | self._address, *body, END))

    def _send(self, body: bytes) -> Sent:
        self._pump(0.0)
        sent = Sent(body, self.pipe.send(self._message(body)))
        self._unanswered = sent
        return sent

    def _until(self, finished: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not finished():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            self._pump(min(left, _SLICE_S))
        return True

    def _pump(self, timeout_s: float) -> None:
        for number, message in self.pipe.receive(timeout_s):
            reply = parse_reply(message)
            self.pipe.counters["messages"] += 1
            if reply.kind == "other" or reply.camera != self._address:
                self.pipe.counters["other_messages"] += 1
            else:
                self._settle(reply, number)

    def _settle(self, reply: Reply, number: int | None) -> None:
        sent = self._whose(reply, number)
        if sent is None and reply.kind == "done" and not reply.data and not reply.socket:
            return  # the interface was cleared
        if sent is None:
            self.pipe.counters["unexpected_answers"] += 1
        elif reply.kind == "ack":
            sent.socket = reply.socket
            self._unanswered = None
            self._running[reply.socket] = sent
        else:
            if reply.kind == "done":
                sent.answer = reply.data
            else:
                sent.error = ERRORS.get(reply.data[0] if reply.data else 0, f"error {reply.data.hex()}")
            self._forget(sent)

    def _whose(self, reply: Reply, number: int | None) -> Sent | None:
        """What a reply answers: by sequence number where there is one, else by socket, else what was sent last."""
        if number is not None:
            known = [sent for sent in (self._unanswered, *self._running.values()) if sent is not None]
            return next((sent for sent in known if sent.number == number), None)
        latest = self._unanswered
        if (
            reply.socket in self._running
            and reply.kind != "ack"
            and not (reply.kind == "done" and reply.data)
        ):
            return self._running[reply.socket]
        if reply.kind == "error" or latest is None:
            return latest
        if latest.body[0] == INQUIRE:
            return latest if reply.data else None  # an empty answer is that of an earlier command
        if reply.kind == "ack" or (reply.socket == 0 and not reply.data):
            return latest  # a completion without a socket: the camera left the acknowledgement out
        return None

    def _forget(self, sent: Sent) -> None:
        if self._unanswered is sent:
            self._unanswered = None
        self._running = {socket: other for socket, other in self._running.items() if other is not sent}

    def _outcome(self, sent: Sent) -> bytes:
        if sent.error:
            fixes = {
                "buffer full": "it carries out two commands at a time: wait for one, or cancel it",
                "not executable": "its present mode does not allow it (power, automatic focus, automatic exposure?)",
            }
            raise DeviceError(
                f"{self.name} refuses {sent.body.hex(' ')}: {sent.error}",
                code=sent.error,
                fix=fixes.get(sent.error, ""),
            )
        return sent.answer or b""

    def _silence(self, body: bytes) -> LinkTimeoutError:
        return LinkTimeoutError(
            f"{self.name} does not answer {body.hex(' ')} within {self._timeout_s:g} s",
            fix="check power, wiring, the baud rate and the camera's address",
        )
