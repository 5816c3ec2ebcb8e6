"""A figure with what it is worth: the number of samples behind it, and an interval at 95 %."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf((1 + LEVEL) / 2)
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Figure:
    """``value`` is ``None`` where it is not defined (the precision of what was never said). ``n`` counts what it is a
    figure of, pictures if nothing else is said. ``method``: how the interval was made."""

    value: float | None
    n: int
    interval: tuple[float, float] | None = None
    method: str = ""

    def __str__(self) -> str:
        """The value and its interval, to three digits.

        >>> str(Figure(value=0.5, n=10, interval=(0.2366, 0.7634)))
        '0.500 (0.237 to 0.763)'
        """
        if self.value is None:
            return "-"
        within = "" if self.interval is None else " ({:.3f} to {:.3f})".format(*self.interval)
        return f"{self.value:.3f}{within}"


def proportion(hits: int, n: int) -> Figure:
    """``hits`` of ``n`` independent trials, with the score interval (Wilson 1927, "Probable inference, the law of
    succession, and statistical inference").

    >>> proportion(5, 10).interval
    (0.2365..., 0.7634...)
    """
    if n == 0:
        return Figure(value=None, n=0)
    share = hits / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    interval = 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half
    return Figure(value=share, n=n, interval=interval, method="Wilson")


@dataclass(frozen=True)
class Resampling:
    """Draws of pictures with replacement: the bootstrap, whose percentiles are corrected for bias (Efron 1987, "Better
    Bootstrap Confidence Intervals", BC). The same seed gives the same draws."""

    count: int = RESAMPLES
    seed: int = 0

    def weights(self, n: int, most: int) -> list[NDArray[np.float64]]:
        """How often each of ``n`` pictures is in each resample: blocks ``(at most most, n)``, ``count`` rows in all."""
        random = np.random.default_rng(self.seed)
        rows = [min(most, self.count - start) for start in range(0, self.count, most)]
        return [random.multinomial(n, np.full(n, 1 / n), size).astype(np.float64) for size in rows]

    def figure(self, value: float | None, n: int, resampled: NDArray[np.float64]) -> Figure:
        """``value`` with the interval that ``resampled (count,)`` leaves; NaN in it are resamples without a value."""
        known = resampled[~np.isnan(resampled)]
        if value is None or not len(known):
            return Figure(value=value, n=n)
        below = (known < value).mean() + (known == value).mean() / 2
        bias = _NORMAL.inv_cdf(float(np.clip(below, 1 / (len(known) + 1), 1 - 1 / (len(known) + 1))))
        low, high = np.quantile(known, [_NORMAL.cdf(2 * bias - _Z), _NORMAL.cdf(2 * bias + _Z)])
        method = f"bootstrap over pictures, bias-corrected, {self.count} resamples, seed {self.seed}"
        return Figure(value=value, n=n, interval=(float(low), float(high)), method=method)
