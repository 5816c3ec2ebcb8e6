"""Whether footage is fit to learn from what is usual: long enough, light enough, and with something happening."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.errors import VedetteError
from vedette_anomaly.blocks import block_means
from vedette_anomaly.recipes.footage import Footage

LEAST_S = 120.0
"""Seconds of footage below which there is nothing to learn a scene from."""
DARKEST = 16.0
"""Mean of the brighter half of the pixels, 0..255."""
STILLEST = 2.0
"""Difference from one frame to the next, 0..255, over the block where it is largest, in the liveliest tenth of the
frames: less is a sensor's noise."""
LIVELY = 0.9
BLOCK = 24
_LOOKED_AT = 600


@dataclass(frozen=True, kw_only=True)
class Look:
    """What footage is like. ``light``, ``motion``: as :data:`DARKEST` and :data:`STILLEST` say."""

    seconds: float
    light: float
    motion: float

    def __str__(self) -> str:
        return f"{self.seconds / 60:.1f} minutes, light {self.light:.0f} of 255, motion {self.motion:.1f}"


def look_at_footage(footage: Sequence[Footage], rate_hz: float) -> Look:
    """Measure frames that are spread over all of it."""
    pairs = [(item, at) for item in footage for at in range(1, len(item))]
    some = pairs[:: max(1, len(pairs) // _LOOKED_AT)]
    measured = np.array([_measure(item, at) for item, at in some] or [(0.0, 0.0)])
    return Look(
        seconds=sum(map(len, footage)) / rate_hz,
        light=float(np.median(measured[:, 0])),
        motion=float(np.quantile(measured[:, 1], LIVELY)),
    )


def check_footage(look: Look) -> None:
    """Refuse footage that nothing can be learnt from; all that is wrong with it is said at once.

    Raises
    ------
    VedetteError
        With the numbers that were found and those that are needed.
    """
    problems = [*_problems(look)]
    if problems:
        raise VedetteError(
            f"the footage is not fit to learn from: {'; '.join(problems)}",
            fix="record it where and when the camera is to watch, with the usual comings and goings",
        )


def _problems(look: Look) -> Iterator[str]:
    if look.seconds < LEAST_S:
        yield f"it is {look.seconds:.0f} seconds long, and {LEAST_S:.0f} are the least (an hour is better)"
    if look.light < DARKEST:
        yield (
            f"it is too dark: the brighter half of the picture has a mean of {look.light:.1f} of 255, "
            f"and {DARKEST:g} is the least"
        )
    if look.motion < STILLEST:
        yield (
            f"nothing moves in it: from one frame to the next the liveliest part of the picture changes by "
            f"{look.motion:.2f} of 255, and {STILLEST:g} is the least"
        )


def _measure(footage: Footage, at: int) -> tuple[float, float]:
    now, before = (footage.frames[i].astype(np.float32).mean(axis=0) for i in (at, at - 1))
    light = float(now[now >= np.median(now)].mean())
    return light, float(block_means(np.abs(now - before)[None], BLOCK).max())
