"""The offset between two clocks: PROTOCOL.md, section 6. All times in microseconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

SAMPLES = 64
BURST, BURST_GAP_US, GAP_US = 8, 20_000, 1_000_000
DRIFT_SPAN_US = 4_000_000
"""A drift is fitted to samples that span at least this."""
FLOOR_US = 10.0
"""Samples are not told apart below this."""
MAX_DRIFT = 500e-6
"""Crystals are better than this; a fit that says more is noise."""


class Sample(NamedTuple):
    """One exchange: at ``t_us`` of this side's clock the other's was ahead by ``offset_us``."""

    t_us: float
    offset_us: float
    rtt_us: int


@dataclass(frozen=True, slots=True)
class ClockFit:
    """``remote = local + offset + drift * (local - at)``. ``uncertainty_us``: half the smallest round trip, which
    bounds what an asymmetric line can hide, and the spread of the samples."""

    at_us: float
    offset_us: float
    drift: float
    uncertainty_us: float

    def to_local(self, remote_us: int) -> int:
        """A time of the other side's clock by this side's."""
        return round((remote_us - self.offset_us + self.drift * self.at_us) / (1 + self.drift))

    def to_remote(self, local_us: int) -> int:
        """A time of this side's clock by the other's."""
        return round(local_us + self.offset_us + self.drift * (local_us - self.at_us))


class TimeSync:
    """Collects exchanges of PING and PONG."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._fit: ClockFit | None = None

    def restart(self) -> None:
        """The other side's clock may have begun anew."""
        self._samples.clear()
        self._fit = None

    def add(self, t1: int, t2: int, t3: int, t4: int) -> None:
        """One exchange; what cannot be (an answer before its question) is left out."""
        rtt = (t4 - t1) - (t3 - t2)
        if rtt < 0 or t3 < t2 or t4 < t1:
            return
        sample = Sample((t1 + t4) / 2, ((t2 - t1) + (t3 - t4)) / 2, rtt)
        if self._samples and _jumped(self._samples[-1], sample):
            self._samples.clear()
        self._samples.append(sample)
        self._fit = None

    @property
    def fit(self) -> ClockFit | None:
        """The best that is known; ``None`` before the first exchange."""
        if self._fit is None and self._samples:
            self._fit = _fit(list(self._samples))
        return self._fit


def _jumped(before: Sample, after: Sample) -> bool:
    """Whether a clock was set in between: an offset is wrong by half its round trip at most, and drift is slow."""
    possible = (before.rtt_us + after.rtt_us) / 2 + MAX_DRIFT * (after.t_us - before.t_us) + FLOOR_US
    return abs(after.offset_us - before.offset_us) > possible


def _fit(samples: list[Sample]) -> ClockFit:
    """A line through the offsets by weighted least squares; a constant while the samples lie close together.

    A sample whose round trip exceeds the least by ``x`` can be wrong by ``x / 2``: it weighs ``1 / (x + floor)``.
    """
    least = min(sample.rtt_us for sample in samples)
    floor = max(FLOOR_US, sum(sample.rtt_us - least for sample in samples) / len(samples) / 10)
    weights = [1 / (sample.rtt_us - least + floor) for sample in samples]
    total = sum(weights)
    at = sum(w * sample.t_us for w, sample in zip(weights, samples, strict=True)) / total
    mean = sum(w * sample.offset_us for w, sample in zip(weights, samples, strict=True)) / total
    drift = 0.0
    if samples[-1].t_us - samples[0].t_us >= DRIFT_SPAN_US:
        spread = sum(w * (sample.t_us - at) ** 2 for w, sample in zip(weights, samples, strict=True))
        slope = (
            sum(w * (s.t_us - at) * (s.offset_us - mean) for w, s in zip(weights, samples, strict=True))
            / spread
        )
        drift = slope if abs(slope) <= MAX_DRIFT else 0.0
    residual = (
        sum(
            w * (s.offset_us - mean - drift * (s.t_us - at)) ** 2
            for w, s in zip(weights, samples, strict=True)
        )
        / total
    )
    return ClockFit(at, mean, drift, least / 2 + residual**0.5)
