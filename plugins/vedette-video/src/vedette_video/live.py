"""What all live sources share: numbers, epochs and clocks of the pictures of a feed."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock
from vedette.specs import Capture, SourceInfo
from vedette_video.develop import Picture
from vedette_video.feed import Arrival, Connection, Feed
from vedette_video.params import LiveParams
from vedette_video.timeline import LiveTimeline

logger = logging.getLogger("vedette.video")

MAX_TRANSIT_NS = 10_000_000_000
"""A sender's clock that differs by more from the arrival is not set to this machine's time."""


class LiveSource:
    """A source that receives in a thread of its own.

    ``mono_ns`` and ``wall_ns`` are the time of arrival, or with ``clock = "sender"`` the sender's own; ``media_ns`` is
    the sender's time stamp from the first picture on, as it came, ``None`` where there was none. The epoch rises where
    the size of the pictures changes or time stamps go back by more than a second; ``seq`` also counts what was left
    out.

    Parameters
    ----------
    connect
        Opens the connection; called in the thread.
    shown
        The address, for messages.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        shown: str,
        params: LiveParams,
        clock: Literal["arrival", "sender"] = "arrival",
    ) -> None:
        self._shown = shown
        self._timeout_s = params.read_timeout_s
        self._clock = clock
        self._feed = Feed(connect, shown, params.open_timeout_s, params.read_timeout_s)
        connection = self._feed.connection
        self._live = connection.live
        self._develop = develop = connection.develop
        self._timeline = LiveTimeline(develop.unit_s)
        self._pictures: deque[Picture] = deque()
        self._epoch = self._seq = 0
        self._size_wh: tuple[int, int] | None = None
        self._last_mono_ns = 0
        self._good_s: float | None = None
        self._ended = False
        self._warned = False
        size_wh = develop.size_wh if self._live else None  # a recording may yet turn out to be turned
        self.info = SourceInfo(live=self._live, size_wh=size_wh, rate_hz=develop.rate_hz)

    def read(self, timeout_s: float) -> Capture | None:
        """The next picture; ``None`` if none was there within ``timeout_s``.

        Raises
        ------
        EndOfStream
            A recording is over. A camera has no end: that it stops sending is an error.
        SourceError
            The connection is lost, nothing came for ``read_timeout_s``, or nothing of which a picture could be made.
        """
        deadline_s = time.monotonic() + timeout_s
        if self._good_s is None:
            self._good_s = time.monotonic()
        while not self._pictures:
            if self._ended:
                raise EndOfStream
            self._receive(max(0.0, deadline_s - time.monotonic()))
            if not self._pictures and time.monotonic() >= deadline_s and not self._ended:
                self._check_progress()
                return None
        return self._capture(self._pictures.popleft())

    def close(self) -> None:
        self._ended = False
        self._pictures.clear()
        self._feed.close()

    def _receive(self, timeout_s: float) -> None:
        try:
            taken = self._feed.take(timeout_s)
        except EndOfStream:
            self._ended = True
            self._pictures.extend(self._develop.rest())
            return
        if taken is None:
            return
        arrival, lost = taken
        self._seq += lost
        self._pictures.extend(self._develop.pictures(arrival))
        self._check_progress()

    def _check_progress(self) -> None:
        """Something comes, but are there pictures in it?"""
        now_s = time.monotonic()
        if self._good_s is None or any(not picture.damaged for picture in self._pictures):
            self._good_s = now_s
        elif now_s - self._good_s >= self._timeout_s:
            raise SourceError(
                f"what comes from {self._shown} has held no picture that can be decoded for {self._timeout_s:g} s",
                fix="look at it with another player; read_timeout_s must be above the distance of its key pictures",
            )

    def _capture(self, picture: Picture) -> Capture:
        media_ns, anew = self._timeline.stamp(picture.ticks)
        size_wh = picture.image.size_wh
        if not picture.damaged:
            if self._size_wh not in (None, size_wh):
                logger.info(
                    "%s: the size of its pictures changes from %s to %s", self._shown, self._size_wh, size_wh
                )
                anew = True
            self._size_wh = size_wh
        if anew:
            self._epoch, self._seq = self._epoch + 1, 0
        self._seq += 1
        return Capture(
            image=picture.image,
            clock=self._stamp(picture.arrival, media_ns),
            seq=self._seq - 1,
            epoch=self._epoch,
            orientation=picture.orientation,
            units=self._develop.units(),
            unit=picture.unit,
        )

    def _stamp(self, arrival: Arrival, media_ns: int | None) -> Clock:
        """The clock of a picture; ``mono_ns`` never falls."""
        transit_ns = self._transit_ns(arrival)
        mono_ns = self._last_mono_ns = max(self._last_mono_ns, arrival.mono_ns - (transit_ns or 0))
        return Clock(
            mono_ns=mono_ns,
            wall_ns=arrival.wall_ns - (transit_ns or 0),
            media_ns=media_ns,
            uncertainty_ns=arrival.uncertainty_ns if transit_ns is None else transit_ns,
            origin="pts" if not self._live else "arrival" if transit_ns is None else "device",
        )

    def _transit_ns(self, arrival: Arrival) -> int | None:
        """Time from capture to arrival by the sender's clock, where that is wanted, known and possible."""
        if self._clock == "arrival" or arrival.sender_ns is None:
            return None
        transit_ns = arrival.wall_ns - arrival.sender_ns
        if 0 <= transit_ns <= MAX_TRANSIT_NS:
            return transit_ns
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s: by its clock its pictures arrive %.1f s after they were captured: that clock is not set to this "
                "machine's time, and arrival counts instead",
                self._shown,
                transit_ns / 1e9,
            )
        return None
