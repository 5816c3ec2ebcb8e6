"""When a model looks: at samples by capture time, as ``temporal`` of its manifest says, never by counting frames.

One rule for training and for the runtime. Samples are due on a grid of ``1 / rate_hz`` that begins with the first
frame. A sample is the first frame not earlier than ``tolerance`` of a period before it is due; what comes too late is
taken as well (better a late sample than none), a due time that no frame came for is missed. Frames between samples are
passed over. The grid, and with it all state, starts afresh where time stamps go back and after a gap of more than
``max_gap_ms`` between a frame and the sample before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from vedette.bundle.manifest import Temporal

ROUNDING = 1e-4
"""Of a period: time stamps are rounded to nanoseconds or to ticks of the medium."""

NEW_EPOCH = "a new epoch"
GAP = "a gap"
TIME_WENT_BACK = "time went back"


class Timeline(msgspec.Struct):
    """Where a stream stands. ``generation`` rises whenever what is remembered of the stream is void; times are in
    nanoseconds of the clock that frames are sampled by."""

    generation: int = -1
    epoch: int = 0
    origin_ns: int = 0
    slot: int = 0
    sample_ns: int = 0
    last_ns: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done with a frame. ``reset``: why everything starts afresh with it, ``detail`` in numbers; empty if
    it goes on. ``missed`` due times came and went before it; ``late``: it is later than the tolerance allows."""

    sampled: bool
    reset: str = ""
    detail: str = ""
    missed: int = 0
    late: bool = False


def look(line: Timeline, temporal: Temporal | None, epoch: int, time_ns: int) -> Look:
    """Judge the next frame, and move ``line`` on. Without ``temporal`` every frame is a sample, whenever it comes."""
    first = line.generation < 0
    reset, detail = ("", "") if first else _reset(line, temporal, epoch, time_ns)
    if first or reset:
        line.generation += 1
        line.epoch, line.slot = epoch, 0
        line.origin_ns = line.sample_ns = line.last_ns = time_ns
        return Look(True, reset, detail)
    line.last_ns = time_ns
    if temporal is None:
        line.sample_ns = time_ns
        return Look(True)
    place = (time_ns - line.origin_ns) * temporal.rate_hz / 1e9
    slot = math.floor(place + temporal.tolerance + ROUNDING)
    if slot <= line.slot:
        return Look(False)
    missed, line.slot, line.sample_ns = slot - line.slot - 1, slot, time_ns
    return Look(True, missed=missed, late=place - slot > temporal.tolerance + ROUNDING)


def sample_runs(times_ns: Iterable[int], temporal: Temporal) -> list[list[int]]:
    """Which frames of a clip a model sees: indices into ``times_ns``, in runs between which its state is reset.

    >>> sample_runs(
    ...     [0, 40_000_000, 80_000_000, 120_000_000], Temporal(rate_hz=12.5, tolerance=0.1, max_gap_ms=500)
    ... )
    [[0, 2]]
    """
    line, runs = Timeline(), list[list[int]]()
    for index, time_ns in enumerate(times_ns):
        before = line.generation
        if look(line, temporal, 0, time_ns).sampled:
            if line.generation != before:
                runs.append([])
            runs[-1].append(index)
    return runs


def _reset(line: Timeline, temporal: Temporal | None, epoch: int, time_ns: int) -> tuple[str, str]:
    if epoch != line.epoch:
        return NEW_EPOCH, f"{line.epoch} → {epoch}"
    if temporal is None:
        return "", ""
    if time_ns < line.last_ns:
        return TIME_WENT_BACK, f"by {(line.last_ns - time_ns) / 1e6:.1f} ms"
    gap_ms = (time_ns - line.sample_ns) / 1e6
    if gap_ms > temporal.max_gap_ms:
        return GAP, f"of {gap_ms:.1f} ms, longest allowed {temporal.max_gap_ms:g} ms"
    return "", ""
