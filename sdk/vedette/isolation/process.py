"""The child process as the parent sees it: started, spoken to, ended and reaped."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from vedette.errors import SourceError
from vedette.isolation.messages import ANSWER_BYTES, Answer, Message, decode_answer, encode, legible
from vedette.isolation.pictures import Slots

log = logging.getLogger("vedette.isolation")

SAID_LINES = 200
"""Lines of the child's own words that are logged; the rest is read and thrown away."""
LINE_BYTES = 4096
VOICE_BYTES = 65_536
"""What is read of them at once: all that a pipe holds."""
REAP_S = 5.0
INHERITED = ("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
INHERITED_FAMILIES = ("LC_", "PYTHON", "VEDETTE_", "XDG_")
"""Environment variables that the child is started with. Others it does not get: they may hold passwords."""

_starter = ThreadPoolExecutor(1, "vedette-isolation")
"""A child dies with the *thread* that started it (``PR_SET_PDEATHSIG``), so one that never ends starts them all."""


class ChildProcess:
    """A running child with its shared memory. Used by one thread at a time.

    Parameters
    ----------
    name
        How messages call it.

    Raises
    ------
    SourceError
        No process can be started.
    """

    def __init__(self, name: str, slots: Slots) -> None:
        self.slots = slots
        self.ended = False
        self._name = name
        self._waited_s = 0.0
        self._said: deque[str] = deque(maxlen=5)
        self._said_lines = 0
        self._unfinished = b""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = _starter.submit(_start, theirs.fileno(), slots.fd).result()
        except (OSError, RuntimeError) as error:
            self._channel.close()
            raise SourceError(f"{name}: no process can be started to isolate it: {error}") from error
        finally:
            theirs.close()
        assert self._process.stdout is not None
        self._voice = self._process.stdout.fileno()
        os.set_blocking(self._voice, False)
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._poll.register(self._voice, select.POLLIN)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Message) -> None:
        """Send a request.

        Raises
        ------
        SourceError
            The child is gone.
        """
        try:
            self._channel.send(encode(request))
        except OSError:
            raise self._gone() from None

    def answer(self, wait_s: float, limit_s: float) -> Answer | None:
        """The answer to the oldest request that has none, or ``None`` if there is none within ``wait_s``.

        Parameters
        ----------
        limit_s
            How long it may take altogether. Only time spent here counts.

        Raises
        ------
        SourceError
            The child is gone, says what it must not, or let the time pass. It has been killed then.
        """
        packet = self._receive(wait_s)
        if packet is None:
            if self._waited_s >= limit_s:
                self.kill()
                raise SourceError(
                    f"{self._name}: its process (pid {self.pid}) did not answer for {limit_s:g} s and was killed",
                    fix="a decoder hangs, or the box is overloaded: see isolate = { timeout_s = ..., open_s = ... }",
                )
            return None
        self._waited_s = 0.0
        if not packet:
            raise self._gone()
        try:
            return decode_answer(packet)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.mistrusted(str(error)) from None

    def mistrusted(self, why: str) -> SourceError:
        """Kill the child, which broke the protocol. Returns the error that says so."""
        self.kill()
        return SourceError(
            f"{self._name}: its process (pid {self.pid}) sent what it must not and was killed: {why}"
        )

    def dismiss(self, grace_s: float) -> None:
        """Hang up and wait for the child to end; kill it after ``grace_s``."""
        if not self.ended:
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_WR)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
            self.kill()

    def kill(self) -> None:
        """End it whatever it does, reap it, and release everything. Doing so twice is fine."""
        if self.ended:
            return
        self.ended = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # and what it may have started
        try:
            self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            log.error("%s: its process (pid %d) cannot be killed", self._name, self.pid)
        self._listen()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._channel.close()

    def _receive(self, wait_s: float) -> bytes | None:
        """One packet; empty: the child has hung up; ``None``: nothing within ``wait_s``."""
        deadline = time.monotonic() + wait_s
        over = False
        while not over:
            left_s = deadline - time.monotonic()
            ready = dict(self._poll.poll(1e3 * max(0.0, left_s)))
            if self._voice in ready and not self._listen():
                self._poll.unregister(self._voice)
            if self._channel.fileno() in ready:
                return self._packet()
            over = left_s <= 0 or not ready
        self._waited_s += wait_s  # not what has really passed: this process itself may have been stopped
        return None

    def _packet(self) -> bytes:
        try:
            packet, _, flags, _ = self._channel.recvmsg(ANSWER_BYTES)
        except OSError:
            return b""
        if flags & socket.MSG_TRUNC:
            raise self.mistrusted(f"a message of more than {ANSWER_BYTES} bytes")
        return packet

    def _listen(self) -> bool:
        """Log what the child wrote to its standard outputs; ``False``: it has closed them."""
        try:
            piece = os.read(self._voice, VOICE_BYTES)
        except BlockingIOError:
            return True
        *lines, rest = (self._unfinished + piece).split(b"\n")
        self._unfinished = rest[:LINE_BYTES]
        for line in lines if piece else [self._unfinished]:
            self._hear(line)
        return bool(piece)

    def _hear(self, line: bytes) -> None:
        text = legible(line.decode("utf-8", "replace"), 300).strip()
        if text:
            self._said.append(text)
            self._said_lines += 1
            if self._said_lines <= SAID_LINES:
                log.warning("%s: its process says: %s", self._name, text)

    def _gone(self) -> SourceError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # it has hung up, and may be about to end
        code = self._process.returncode
        self.kill()
        if code is None:
            how = "hung up and was killed"
        else:
            how = f"was ended by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
        said = f"; it said: {' | '.join(self._said)}" if self._said else ""
        return SourceError(f"{self._name}: its process (pid {self.pid}) {how}{said}")


def _signal(number: int) -> str:
    return signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"


def _start(channel: int, memory: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "vedette.isolation", str(channel), str(memory)],
        pass_fds=(channel, memory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(),
        start_new_session=True,  # Ctrl-C is for the parent, which then ends it
    )


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(INHERITED_FAMILIES)
    }
    return kept | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
