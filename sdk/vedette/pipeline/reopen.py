"""A source that is opened again when it fails, as long as its policy says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

from vedette.errors import EndOfStream, SourceError
from vedette.pipeline.config import Reopen
from vedette.pipeline.faults import source_error
from vedette.pipeline.outages import Outages
from vedette.specs import Capture, Source, SourceInfo

log = logging.getLogger("vedette.pipeline")

Open = Callable[[], Source]


class ReopenedSource:
    """Stands for a source over all its openings.

    While there is none, :meth:`read` gives ``None`` and opens it again in a thread of its own, so that an opening that
    hangs delays nobody. An outage ends with the first picture. The epoch rises by one with each opening that gave a
    picture, on top of the source's own epochs. ``EndOfStream`` ends it: a camera that went away is a ``SourceError``.

    Parameters
    ----------
    first
        The source, open; or why it could not be opened, for a policy with ``at_start``.
    open
        Opens the source anew.
    provider
        Who is to blame for what it raises besides ``SourceError``.
    outages
        Where is noted what happened.
    release
        Called once at the end: lets go of what ``open`` keeps between openings.
    monotonic, sleep, random
        Time and chance.
    """

    def __init__(
        self,
        name: str,
        first: Source | SourceError,
        open: Open,
        policy: Reopen,
        provider: str,
        outages: Outages,
        *,
        release: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        self._name = name
        self._open = open
        self._policy = policy
        self._provider = provider
        self._outages = outages
        self._release = release
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random or Random()
        self._source: Source | None = None
        self._attempt: Attempt | None = None
        self._openings = 0
        self._due_s = self._heard_s = monotonic()
        self._epoch: int | None = None
        self._shift = 0
        self._anew = True
        self._closed = False
        if isinstance(first, SourceError):
            self.info = SourceInfo(live=True)
            self._wait_after(first)
        else:
            self.info = first.info
            self._source = first

    def read(self, timeout_s: float) -> Capture | None:
        """The next image, or ``None``: also while the source is not to be had.

        Raises
        ------
        EndOfStream
            The source has no more.
        SourceError
            It failed, and the policy does not have it opened again.
        """
        if self._closed:
            raise SourceError(f"the source of stream {self._name!r} is closed")
        source = self._source or self._reopened(timeout_s)
        if source is None:
            return None
        try:
            capture = source.read(timeout_s)
            if capture is None:
                self._check_silence()
                return None
        except EndOfStream:
            raise
        except Exception as error:
            self._fail(source_error(error, self._provider))
            return None
        return self._delivered(capture)

    def close(self) -> None:
        """Close the source, and give up an opening that is under way."""
        if self._closed:
            return
        self._closed = True
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.abandon()
        try:
            if self._source is not None:
                self._source.close()
        finally:
            self._source = None
            self._outages.freeze()
            self._release()

    def _reopened(self, timeout_s: float) -> Source | None:
        """The source, opened again; ``None``: not yet."""
        if self._attempt is None:
            if (wait_s := self._due_s - self._monotonic()) > 0:
                self._sleep(min(wait_s, timeout_s))
                return None
            self._outages.attempt()
            self._attempt = Attempt(self._open, self._name)
        try:
            source = self._attempt.result(timeout_s)
        except Exception as error:
            self._attempt = None
            self._fail(source_error(error, self._provider))
            return None
        if source is None:
            return None
        self._attempt = None
        self._source, self._anew = source, True
        self._openings += 1
        self._heard_s = self._monotonic()
        if source.info.live != self.info.live:
            raise SourceError(
                f"stream {self._name!r}: the source was taken for a {_kind(self.info)} and is a {_kind(source.info)}",
                fix="reopen = { at_start = true } is for cameras; a file must be there at the start",
            )
        self.info = source.info
        return source

    def _delivered(self, capture: Capture) -> Capture:
        self._heard_s = self._monotonic()
        if self._anew:
            self._anew = False
            self._shift = 0 if self._epoch is None else self._epoch + 1 - capture.epoch
            if (over := self._outages.end()) is not None:
                log.warning("stream %r: pictures again after %.1f s (attempts: %d)", self._name, *over)
        self._epoch = capture.epoch + self._shift
        return replace(capture, epoch=self._epoch) if self._shift else capture

    def _check_silence(self) -> None:
        silent_s = self._monotonic() - self._heard_s
        if self._policy.silent_s is not None and silent_s >= self._policy.silent_s:
            raise SourceError(f"no picture for {silent_s:.1f} s")

    def _fail(self, error: SourceError) -> None:
        """Let go of the source; another opening is due after a pause, or never again."""
        source, self._source = self._source, None
        if source is not None:
            try:
                source.close()
            except Exception as closing:
                log.info("stream %r: closing the failed source: %s", self._name, str(closing))
        policy = self._policy
        enough = policy.times is not None and self._openings >= policy.times
        if enough or (policy.give_up_s is not None and self._outages.length_s >= policy.give_up_s):
            raise error
        self._wait_after(error)

    def _wait_after(self, error: SourceError) -> None:
        # Text: a log record that somebody keeps would keep the error's traceback, and that the source's memory.
        text = str(error)
        log.debug("stream %r: %s", self._name, text)
        if self._outages.begin(error):
            log.warning("stream %r: no pictures, its source will be opened again: %s", self._name, text)
        self._due_s = self._monotonic() + pause_s(self._policy, self._outages.length_s, self._random)


class Attempt:
    """One opening, in a thread of its own: nobody has to wait for it to the end."""

    def __init__(self, open: Open, name: str) -> None:
        self._open = open
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._source: Source | None = None
        self._error: Exception | None = None
        self._abandoned = False
        threading.Thread(target=self._run, name=f"vedette-open-{name}", daemon=True).start()

    def result(self, timeout_s: float) -> Source | None:
        """The source, which is the caller's from now on; ``None``: not yet open. Raises what opening raised."""
        if not self._over.wait(timeout_s):
            return None
        if self._error is not None:
            raise self._error
        return self._source

    def abandon(self) -> None:
        """Nobody will ask: the source is closed as soon as it is open."""
        with self._lock:
            self._abandoned = True
            source = self._source
        if source is not None:
            source.close()

    def _run(self) -> None:
        try:
            source = self._open()
        except Exception as error:
            self._error = error
        else:
            with self._lock:
                self._source = source
                abandoned = self._abandoned
            if abandoned:
                source.close()
        finally:
            self._over.set()


def pause_s(policy: Reopen, outage_s: float, random: Random) -> float:
    """Time until the next attempt of an outage that has lasted ``outage_s``.

    At most ``within_s`` for the first ``eager_s``; then half of what has passed since, at most ``max_s``. Half of it is
    by chance, so that many streams of one lost switch do not knock together.
    """
    longest_s = min(policy.max_s, policy.within_s + max(0.0, outage_s - policy.eager_s) / 2)
    return longest_s * random.uniform(0.5, 1.0)


def _kind(info: SourceInfo) -> str:
    return "camera" if info.live else "file"
