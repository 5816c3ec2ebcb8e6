"""A thread that receives from a camera, so that whoever reads waits no longer than wanted, whatever the camera does."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vedette.errors import SourceError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from vedette_video.develop import Develop

logger = logging.getLogger("vedette.video")

LAG_NS = 1_000_000_000
"""A reader that is behind by more goes on at the newest key picture."""
MAX_WAITING = 1024
MAX_BYTES = 64 * 1024 * 1024
"""Most that waits to be read."""
AHEAD = 8
"""Most that waits to be read of what must not be lost."""
CLOSE_S = 0.5
"""How long closing waits for the thread."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrival:
    """A compressed picture as it arrived.

    Attributes
    ----------
    data
        ``bytes(data)`` are its bytes.
    key
        It can be decoded without those before it.
    ticks
        Its time stamp in the stream, in ticks of ``Develop.unit_s``.
    mono_ns, wall_ns
        When it was there.
    uncertainty_ns
        How much earlier it may have come.
    sender_ns
        When it was captured by the sender's own wall clock, where the sender says so.
    """

    data: bytes | Packet[VideoStream]
    key: bool
    mono_ns: int
    wall_ns: int
    uncertainty_ns: int = 0
    ticks: int | None = None
    sender_ns: int | None = None

    @property
    def size(self) -> int:
        return len(self.data) if isinstance(self.data, bytes) else self.data.size


class Connection(Protocol):
    """A connection to a camera. Belongs to the thread of a :class:`Feed`, except for :meth:`interrupt`.

    ``live``: what is not read in time is lost; else everything is kept, and the sender waits.
    """

    live: bool

    @property
    def develop(self) -> Develop:
        """Makes pictures of what comes. Belongs to the reader."""
        ...

    def receive(self) -> Arrival:
        """Wait for the next.

        Raises
        ------
        EndOfStream
            There are no more.
        SourceError
            The connection is lost.
        """
        ...

    def interrupt(self) -> None:
        """End a :meth:`receive` that is under way in another thread, if that is possible."""
        ...

    def close(self) -> None: ...


class Feed:
    """Holds what a connection receives until it is taken.

    Parameters
    ----------
    connect
        Opens the connection.
    shown
        The address, for messages.
    open_timeout_s, read_timeout_s
        How long opening may take, and how long nothing may come. They hold whatever ``connect`` and ``receive`` do.

    Raises
    ------
    SourceError
        The connection cannot be opened, or not in time.
    """

    def __init__(
        self, connect: Callable[[], Connection], shown: str, open_timeout_s: float, read_timeout_s: float
    ) -> None:
        self._connect = connect
        self._shown = shown
        self._read_timeout_s = read_timeout_s
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._bytes = self._lost = 0
        self._skipping = True
        self._connection: Connection | None = None
        self._error: Exception | None = None
        self._closed = False
        self._heard_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"vedette-feed-{shown}", daemon=True)
        self._thread.start()
        self._wait_until_open(open_timeout_s)

    @property
    def connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def take(self, timeout_s: float) -> tuple[Arrival, int] | None:
        """The next arrival, and how many before it were lost because nobody took them; ``None`` if none came in time.

        Raises
        ------
        EndOfStream
            There are no more.
        SourceError
            The connection is lost or closed, or nothing came for ``read_timeout_s``.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while self._closed or not self._waiting:
                if self._closed:
                    raise SourceError(f"{self._shown} is closed")
                if self._error is not None:
                    raise self._error
                now_s = time.monotonic()
                silent_s = self._heard_s + self._read_timeout_s
                if now_s >= silent_s:
                    raise SourceError(
                        f"nothing came from {self._shown} for {self._read_timeout_s:g} s",
                        fix="check the camera and the network; a camera that is slower needs a higher read_timeout_s",
                    )
                if now_s >= deadline_s:
                    return None
                self._changed.wait(min(deadline_s, silent_s) - now_s)
            self._heard_s = time.monotonic()
            arrival, lost, self._lost = self._waiting.popleft(), self._lost, 0
            self._bytes -= arrival.size
            self._changed.notify_all()
            return arrival, lost

    def close(self) -> None:
        """End it from any thread. What hangs in FFmpeg is left to end by FFmpeg's own time-out."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._error = None  # its traceback refers to this object
            self._waiting.clear()
            connection = self._connection
            self._changed.notify_all()
        if connection is not None:
            connection.interrupt()
        self._thread.join(CLOSE_S)

    def _wait_until_open(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._connection or self._error, timeout_s)
            error, opened = self._error, self._connection is not None
        if opened:
            return
        self.close()
        if error is not None:
            raise error
        raise SourceError(
            f"{self._shown} could not be opened within {timeout_s:g} s",
            fix="check address and network; a camera that is slower needs a higher open_timeout_s",
        )

    def _run(self) -> None:
        connection = None
        try:
            connection = self._connect()
            with self._changed:
                self._connection = connection
                self._heard_s = time.monotonic()
                self._changed.notify_all()
            while not self._closed:
                self._put(connection.receive(), connection.live)
        except Exception as error:  # EndOfStream too: for the reader, when it has taken what there is
            with self._changed:
                self._error = None if self._closed else error
                self._changed.notify_all()
        finally:
            if connection is not None:
                connection.close()

    def _put(self, arrival: Arrival, live: bool) -> None:
        with self._changed:
            self._heard_s = time.monotonic()
            if self._skipping and not arrival.key:  # also at the beginning: nothing can be made of it
                return
            self._skipping = False
            if not live:
                self._changed.wait_for(lambda: len(self._waiting) < AHEAD or self._closed)
            self._waiting.append(arrival)
            self._bytes += arrival.size
            if live:
                self._catch_up()
            self._changed.notify_all()

    def _catch_up(self) -> None:
        """Let go of what is too old, up to a key picture: those between cannot be left out one by one."""
        late = self._waiting[-1].mono_ns - self._waiting[0].mono_ns > LAG_NS
        full = len(self._waiting) > MAX_WAITING or self._bytes > MAX_BYTES
        if not (late or full):
            return
        keep = next((i for i in range(len(self._waiting) - 1, 0, -1) if self._waiting[i].key), 0)
        if not keep and not full:
            return
        lost = keep or len(self._waiting)
        self._skipping = not keep
        for _ in range(lost):
            self._bytes -= self._waiting.popleft().size
        self._lost += lost
        logger.info("%s: nobody takes its pictures in time: %d were left out", self._shown, lost)
