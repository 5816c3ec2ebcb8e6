"""What the child gives up before it touches the medium.

This contains faults, and takes from a decoder that was taken over the easiest ways on. It is no sandbox: the child may
still open the files and sockets that its user may open.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends, whatever state this process is in."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(memory_bytes: int | None) -> None:
    """No core dumps, which would hold pictures and passwords; no new privileges through programs that it might start;
    at most ``memory_bytes`` of address space."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_ulong(item) for item in (value, 0, 0, 0))
    if libc.prctl(ctypes.c_int(option), *arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}): {os.strerror(error)}")
