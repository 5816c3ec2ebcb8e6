"""The asyncio shell: the event loop waits for the port; a thread only reads those ports that cannot be waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import TypeVar

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
from vedette_bridge.shells.thread import FIRST_PAUSE_S, LONGEST_PAUSE_S, SILENT_S, STUCK_S, Reopen

T = TypeVar("T")
logger = logging.getLogger("vedette.bridge")


class LinkTask:
    """Moves the bytes between a :class:`Box` and a port in the running event loop, until :meth:`close`.

    Parameters are those of :class:`~vedette_bridge.shells.thread.LinkThread`. Everything is called in the loop's
    thread.
    """

    def __init__(self, box: Box, pipe: Pipe, reopen: Reopen | None) -> None:
        self.name = box.name
        self.box = box
        self._reopen = reopen
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._busy: asyncio.Task[None] | None = None
        self._failure: LinkError | None = None
        self._closed = False
        self._news = 0
        self._pending = memoryview(b"")
        self._heard_s = self._loop.time()
        self._stop, self._stopper = os.pipe()
        self._attach(pipe)

    def turn(self) -> None:
        """Give the port what there is to write, and look again when it is time. To be called after the box was used."""
        if self._busy is not None or self._closed:
            return
        try:
            self._write()
        except PortGoneError as error:
            self._lost(error)
        self._tell()

    async def wait(self, ready: Callable[[Box], T | None], timeout_s: float | None, what: str) -> T:
        """What ``ready(box)`` gives as soon as that is not ``None``. Raises as
        :meth:`vedette_bridge.shells.thread.LinkThread.wait`."""
        deadline = None if timeout_s is None else self._loop.time() + timeout_s
        while (found := ready(self.box)) is None:
            self.check()
            if self.box.trouble is not None:
                raise self.box.trouble
            left = None if deadline is None else deadline - self._loop.time()
            if left is not None and left <= 0:
                raise LinkTimeoutError(f"{self.name}: {what}")
            await self._changed(left)
        self.turn()
        return found

    def check(self) -> None:
        """Raise if the link is closed or has failed for good."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise LinkDownError(f"{self.name} was closed")

    async def close(self) -> None:
        """Say goodbye, and let go of the port. May be called twice."""
        if self._closed:
            return
        self._closed = True
        os.write(self._stopper, b"x")
        goodbye = self.box.close(self._failure or LinkDownError(f"{self.name} was closed"))
        if self._timer is not None:
            self._timer.cancel()
        self._tell()
        if self._busy is not None:
            with contextlib.suppress(asyncio.CancelledError, LinkError):
                await self._busy
        elif self._failure is None:
            with contextlib.suppress(PortGoneError):
                for data in (self._pending, memoryview(goodbye)):
                    if data:
                        self._pipe.write(data)
        await self._detach()
        os.close(self._stop)
        os.close(self._stopper)

    async def _changed(self, timeout_s: float | None) -> None:
        future = self._loop.create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait([future], timeout=timeout_s)
        finally:
            self._waiting.discard(future)

    def _tell(self) -> None:
        if self.box.news != self._news or self._closed or self._failure is not None:
            self._news = self.box.news
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    # --- the port

    def _attach(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._heard_s = self._loop.time()
        self._reader: threading.Thread | None = None
        self._reading = True
        if pipe.descriptor is not None:
            self._loop.add_reader(pipe.descriptor, self._readable)
        else:
            self._reader = threading.Thread(
                target=self._read_all, name=f"vedette-read {self.name}", daemon=True
            )
            self._reader.start()
        self._loop.call_soon(self.turn)

    async def _detach(self) -> None:
        self._reading = False
        descriptor = self._pipe.descriptor
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
        if self._reader is not None:
            await self._loop.run_in_executor(None, self._reader.join)
        self._pipe.close()

    def _readable(self) -> None:
        try:
            self._arrived(self._pipe.read())
        except PortGoneError as error:
            self._lost(error)

    def _arrived(self, data: bytes) -> None:
        if data and not self._closed:
            self._heard_s = self._loop.time()
            self.box.feed(data)
            self.turn()

    def _read_all(self) -> None:
        """In a thread of its own: what a port gives that has no descriptor."""
        pipe = self._pipe
        while self._reading:
            try:
                data = pipe.read()
            except PortGoneError as error:
                self._from_thread(self._lost, error)
                return
            if data:
                self._from_thread(self._arrived, data)

    def _from_thread(self, call: Callable[[T], None], value: T) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, value)

    def _write(self) -> None:
        box, pipe = self.box, self._pipe
        if self._reopen is not None and pipe.is_connection and self._loop.time() - self._heard_s >= SILENT_S:
            raise PortGoneError(f"{self.name}: nothing came for {SILENT_S:g} s")
        box.poll()
        if not self._pending:
            self._pending = memoryview(box.take_output())
        if self._pending:
            self._pending = self._pending[pipe.write(self._pending) :]
        if box.switch is not None and not self._pending:
            self._busy = self._loop.create_task(self._go_to(box.switch))
            return
        if pipe.descriptor is not None:
            if self._pending:
                self._loop.add_writer(pipe.descriptor, self.turn)
            else:
                self._loop.remove_writer(pipe.descriptor)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if (due_us := self.box.due_us) is not None:
            wait_s = max(0.0, (due_us - monotonic_us()) / 1e6)
            self._timer = self._loop.call_later(max(wait_s, STUCK_S) if self._pending else wait_s, self.turn)

    async def _go_to(self, baud: int) -> None:
        try:
            await self._loop.run_in_executor(None, self._pipe.set_baud, baud)
            self.box.switched(baud)
        except ParameterError as error:  # the link returns to the old rate by itself
            logger.warning("%s", error)
            self.box.switch = None
            self.box.counts["baud_impossible"] += 1
        except PortGoneError as error:
            self._busy = None
            self._lost(error)
            return
        self._busy = None
        self.turn()

    def _lost(self, error: PortGoneError) -> None:
        if self._closed or self._busy is not None:
            return
        self._pending = memoryview(b"")
        self.box.interrupted()
        self.box.counts["port_gone"] += 1
        self._busy = self._loop.create_task(self._open_again(error))
        self._tell()

    async def _open_again(self, error: PortGoneError) -> None:
        await self._detach()
        if self._reopen is None:
            self._failure = error
            self.box.close(error)
            self._tell()
            return
        logger.warning("%s; it will be opened again", error.message)
        pause_s = FIRST_PAUSE_S
        while not self._closed:
            try:
                pipe = await self._loop.run_in_executor(None, self._reopen, self._stop)
            except PortError:
                await self._changed(pause_s)
                self.box.poll()
                self._tell()
                pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
                continue
            self.box.interrupted()
            self._busy = None
            self._attach(pipe)
            return
