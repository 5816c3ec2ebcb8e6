"""The synchronous shell: one thread moves the bytes of a port, everybody else waits on a condition."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from vedette_bridge.errors import (
    LinkDownError,
    LinkError,
    LinkTimeoutError,
    ParameterError,
    PortError,
    PortGoneError,
)
from vedette_bridge.shells.box import Box, monotonic_us
from vedette_bridge.shells.pipe import Pipe

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
"""Between two attempts to open a port that vanished."""
IDLE_S = 1.0
STUCK_S = 0.005
"""How often to look after the link while the port takes nothing."""
SILENT_S = 5.0
"""A connection without a session for so long is made anew: its other end may be gone without a word."""

Reopen = Callable[[int], Pipe]
"""Opens the port again; given a descriptor that becomes readable when it should give up."""
T = TypeVar("T")
P = ParamSpec("P")

logger = logging.getLogger("vedette.bridge")


class LinkThread:
    """Moves the bytes between a :class:`Box` and a port, until :meth:`close`.

    Parameters
    ----------
    pipe
        The port, open.
    reopen
        Opens it again when it vanishes; ``None``: that is the end.
    """

    def __init__(self, box: Box, pipe: Pipe, reopen: Reopen | None) -> None:
        self.name = box.name
        self._box = box
        self._pipe = pipe
        self._reopen = reopen
        self._changed = threading.Condition()
        self._closing = False
        self._failure: LinkError | None = None
        self._news = 0
        self._pending = memoryview(b"")
        self._due_us: int | None = 0
        self._heard_s = time.monotonic()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)
        self._stop, self._stopper = os.pipe()
        self._ends: tuple[int, ...] = (self._wake, self._waker, self._stop, self._stopper)
        self._thread = threading.Thread(target=self._run, name=f"vedette-link {self.name}", daemon=True)
        self._thread.start()

    def do(self, action: Callable[Concatenate[Box, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``action(box, ...)`` while nobody else touches the box, and have what it queued sent.

        Raises
        ------
        LinkError
            The link was closed or has failed for good, or what ``action`` raises.
        """
        with self._changed:
            self._check()
            done = action(self._box, *args, **kwargs)
        self._nudge()
        return done

    def wait(self, ready: Callable[[Box], T | None], timeout_s: float, what: str) -> T:
        """What ``ready(box)`` gives as soon as that is not ``None``.

        Raises
        ------
        LinkTimeoutError
            It did not come in time; ``what`` says what was waited for.
        LinkError
            The link was closed or has failed for good, or the camera refuses it.
        """
        found = self.wait_or_none(ready, timeout_s)
        if found is None:
            raise LinkTimeoutError(f"{self.name}: {what}", fix=self._fix())
        return found

    def wait_or_none(self, ready: Callable[[Box], T | None], timeout_s: float) -> T | None:
        """As :meth:`wait`; ``None`` where that raises ``LinkTimeoutError``."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while (found := ready(self._box)) is None:
                self._check()
                if self._box.trouble is not None:
                    raise self._box.trouble
                if (left := deadline - time.monotonic()) <= 0:
                    return None
                self._changed.wait(left)
        self._nudge()
        return found

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called, or the link has failed for good."""
        return self._closing or self._failure is not None

    def close(self) -> None:
        """Say goodbye, let go of the port, and end the thread. From any thread; may be called twice."""
        with self._changed:
            if not self._closing:
                os.write(self._stopper, b"x")
            self._closing = True
            self._changed.notify_all()
        self._nudge()
        if threading.current_thread() is not self._thread:
            self._thread.join()
            with self._changed:
                ends, self._ends = self._ends, ()
            for descriptor in ends:
                os.close(descriptor)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise LinkDownError(f"{self.name} was closed")

    def _fix(self) -> str:
        if self._box.up is not None:
            return ""
        heard = self._box.link.counts["rx_bytes"]
        if not heard:
            return "nothing comes from it: is it running, and are both lines connected?"
        if not self._box.link.counts["rx_frames"]:
            return f"{heard} bytes came, none of them of this protocol: is the baud rate right?"
        return "it was heard, but does not answer: is the line to it connected?"

    def _nudge(self) -> None:
        with self._changed, contextlib.suppress(BlockingIOError):  # full: it will wake anyhow
            if self._ends:
                os.write(self._waker, b"x")

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    self._turn()
                except PortGoneError as error:
                    self._lost(error)
        except LinkError as error:
            self._failure = error
        except Exception as error:  # a fault of this package: whoever waits must hear of it
            logger.exception("%s: the link failed", self.name)
            self._failure = LinkDownError(f"{self.name}: the link failed: {type(error).__name__}: {error}")
        finally:
            self._finish()

    def _turn(self) -> None:
        """Read, then see what time has brought, then write: what waits in the port is not silence."""
        box, pipe = self._box, self._pipe
        wait_s = IDLE_S if self._due_us is None else (self._due_us - monotonic_us()) / 1e6
        if self._readable(pipe, max(wait_s, STUCK_S) if self._pending else wait_s):
            data = pipe.read()
        else:
            data = b""
            self._check_silence()
        with self._changed:
            if data:
                self._heard_s = time.monotonic()
                box.feed(data)
            box.poll()
            if not self._pending:
                self._pending = memoryview(box.take_output())
            switch, self._due_us = box.switch, box.due_us
            self._tell()
        if self._pending:
            self._pending = self._pending[pipe.write(self._pending) :]
        if switch is not None and not self._pending:
            self._go_to(switch)

    def _readable(self, pipe: Pipe, wait_s: float) -> bool:
        """Wait until there is something to read or to do; whether to read."""
        if pipe.descriptor is None:
            return True
        poll = select.poll()
        poll.register(pipe.descriptor, select.POLLIN | (select.POLLOUT if self._pending else 0))
        poll.register(self._wake, select.POLLIN)
        ready = dict(poll.poll(max(0.0, min(wait_s, IDLE_S)) * 1000))
        if self._wake in ready:
            os.read(self._wake, 4096)
        return bool(ready.get(pipe.descriptor, 0) & ~select.POLLOUT)

    def _tell(self) -> None:
        if self._box.news != self._news:
            self._news = self._box.news
            self._changed.notify_all()

    def _go_to(self, baud: int) -> None:
        try:
            self._pipe.set_baud(baud)
        except ParameterError as error:  # the link returns to the old rate by itself
            logger.warning("%s", error)
            with self._changed:
                self._box.switch = None
                self._box.counts["baud_impossible"] += 1
            return
        with self._changed:
            self._box.switched(baud)
            self._due_us = self._box.due_us
            self._tell()

    def _check_silence(self) -> None:
        silent = time.monotonic() - self._heard_s >= SILENT_S
        if silent and self._reopen is not None and self._pipe.is_connection:
            raise PortGoneError(f"{self.name}: nothing came for {SILENT_S:g} s")

    def _lost(self, error: PortGoneError) -> None:
        """The port vanished: open it again, as soon as it is there."""
        self._pipe.close()
        self._pending = memoryview(b"")
        with self._changed:
            self._box.interrupted()
            self._box.counts["port_gone"] += 1
            self._tell()
        if self._reopen is None:
            raise error
        logger.warning("%s; it will be opened again", error.message)
        pause_s = FIRST_PAUSE_S
        while not self._closing:
            try:
                self._pipe = self._reopen(self._stop)
            except PortError:
                self._rest(pause_s)
                pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
            else:
                self._heard_s = time.monotonic()
                with self._changed:
                    self._box.interrupted()
                    self._due_us = 0
                return

    def _rest(self, pause_s: float) -> None:
        """Wait before the next attempt; requests that wait must still end in time."""
        select.select([self._stop], [], [], pause_s)
        with self._changed:
            self._box.poll()
            self._tell()

    def _finish(self) -> None:
        with self._changed:
            error = self._failure or LinkDownError(f"{self.name} was closed")
            goodbye = self._box.close(error)
            self._changed.notify_all()
        with contextlib.suppress(LinkError):
            for data in (self._pending, memoryview(goodbye)):
                if data:
                    self._pipe.write(data)
        self._pipe.close()
