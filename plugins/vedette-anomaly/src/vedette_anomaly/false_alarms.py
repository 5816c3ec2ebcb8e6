"""From scores of normal footage to the limit above which an alarm is raised, at a stated rate of false alarms."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from vedette.errors import VedetteError

HIGH = 0.9
"""Scores above this quantile are peaks, by which the tail is judged."""
FEWEST = 5
"""Peaks; fewer say nothing of a tail."""
BEYOND = 1.5
"""How far, in standard errors of its mean, the tail is taken to be longer than it looked."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """An alarm limit.

    Attributes
    ----------
    value
        In the unit of the scores.
    per_hour
        False alarms that are expected above it, as asked for.
    per_frame
        Share of normal frames that are expected above it.
    seen
        Alarms that the same footage would have raised at this limit.
    hours
        How much footage there was.
    peaks
        How many peaks the tail was judged by.
    """

    value: float
    per_hour: float
    per_frame: float
    seen: int
    hours: float
    peaks: int

    @property
    def extrapolated(self) -> bool:
        """Whether so rare an alarm could not be seen in this footage, and the limit rests on the shape of the tail."""
        return self.per_hour * self.hours < 1


def limit_of(scores: NDArray[np.float64], rate_hz: float, per_hour: float, apart_s: float = 1.0) -> Limit:
    """The limit that normal footage passes ``per_hour`` times.

    Peaks over a threshold (Coles 2001, "An Introduction to Statistical Modeling of Extreme Values", chapter 4): the
    highest scores of the times when the score was above its 0.9 quantile, which are counted once if they are less than
    ``apart_s`` apart. How far they go beyond it is taken to fall off exponentially, with a mean that is raised by
    :data:`BEYOND` standard errors because few peaks are a poor measure of it; from how many there were per hour follows
    the limit that is passed as rarely as asked. Alarms that are that rare cannot be counted in an hour of footage;
    that the tail goes on as it began is an assumption.

    Parameters
    ----------
    scores
        ``(n,)``, smoothed as on the box, of normal footage in its order.
    rate_hz
        Scores per second.

    Raises
    ------
    VedetteError
        There are fewer than :data:`FEWEST` peaks.
    """
    hours = len(scores) / rate_hz / 3600
    high = float(np.quantile(scores, HIGH)) if len(scores) else 0.0
    peaks = np.array(_peaks(scores, high, apart_s * rate_hz))
    if len(peaks) < FEWEST:
        raise VedetteError(
            f"{hours * 60:.1f} minutes of held-back footage have {len(peaks)} times of high scores, and a limit for "
            f"{per_hour:g} false alarms per hour needs at least {FEWEST}",
            fix="give longer footage",
        )
    excess = float((peaks - high).mean())
    scale = excess * (1 + BEYOND / len(peaks) ** 0.5)
    value = high + scale * max(log(len(peaks) / hours / per_hour), 0.0)
    return Limit(
        value=value,
        per_hour=per_hour,
        per_frame=(1 - HIGH) * exp(-(value - high) / scale) if scale else 0.0,
        seen=int((peaks > value).sum()),
        hours=hours,
        peaks=len(peaks),
    )


def _peaks(scores: NDArray[np.float64], high: float, apart: float) -> list[float]:
    """The highest score of each group of scores above ``high``."""
    places = np.flatnonzero(scores > high)
    groups = np.split(places, np.flatnonzero(np.diff(places) > apart) + 1)
    return [float(scores[group].max()) for group in groups if len(group)]
