"""What a round of work took: wall time, processor time, and how busy others kept the processor meanwhile.

Only the standard library is used, so that the same ruler can be laid on another program, in its own environment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE, _IOWAIT, _GUEST = 3, 4, 8
"""Columns of a processor's line in ``/proc/stat``; guest time (from this one on) is counted in user time already."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One round.

    Attributes
    ----------
    frames
        Frames done.
    wall_s, cpu_s
        Time that passed, and processor time of all threads of this process.
    foreign_cores
        Processors that others kept busy on average, out of those that this process may use; time that a hypervisor
        gave to somebody else counts. ``None`` where the system does not tell.
    """

    frames: int
    wall_s: float
    cpu_s: float
    foreign_cores: float | None

    @property
    def rate_hz(self) -> float:
        """Frames per second."""
        return self.frames / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time per frame."""
        return 1e3 * self.cpu_s / self.frames if self.frames else float("nan")


def timed(run: Callable[[], int]) -> Sample:
    """Call ``run``, which returns the number of frames it has done."""
    busy, cpu, wall = _busy_s(), time.process_time(), time.perf_counter()
    frames = run()
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    busy_after = _busy_s()
    foreign = None if busy is None or busy_after is None else max(0.0, busy_after - busy - cpu_s) / wall_s
    return Sample(frames=frames, wall_s=wall_s, cpu_s=cpu_s, foreign_cores=foreign)


def _busy_s() -> float | None:
    """Seconds that the processors of this process were not idle, since the machine started; in steps of 10 ms."""
    ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    try:
        lines = [line.split() for line in _STAT.read_text("ascii").splitlines()]
    except OSError:
        return None
    ticks = 0
    for name, *columns in lines:
        if name in ours:
            spent = [int(column) for column in columns[:_GUEST]]
            ticks += sum(spent) - spent[_IDLE] - spent[_IOWAIT]
    return ticks / os.sysconf("SC_CLK_TCK")
