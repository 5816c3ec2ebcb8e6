"""Rounds in turn, ``A B C`` then ``C B A``, so that what changes slowly on a machine meets all contestants alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from vedette.benchmark.meter import Sample

CONTENDED_CORES = 0.2
"""A round in which others kept more than this many processors busy does not count, if a quieter one can be had."""
ATTEMPTS = 4
"""How often a contended round is tried unless the caller says otherwise; the quietest attempt is kept."""

Contestant = Callable[[], Sample]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Series:
    """The rounds of one contestant, in the order of the rounds."""

    samples: tuple[Sample, ...]

    @property
    def rate_hz(self) -> float:
        """Median of the frames per second."""
        return median(sample.rate_hz for sample in self.samples)

    @property
    def cpu_ms(self) -> float:
        """Median of the processor time per frame, in milliseconds."""
        return median(sample.cpu_ms for sample in self.samples)

    @property
    def contended(self) -> int:
        """Rounds that stayed contended after all attempts."""
        return sum(is_contended(sample) for sample in self.samples)

    def per_round(self, other: Series) -> float:
        """Median of the ratio of the rates, round by round."""
        return median(a.rate_hz / b.rate_hz for a, b in zip(self.samples, other.samples, strict=True))


def interleave(
    contestants: Mapping[str, Contestant], rounds: int, say: Say, attempts: int = ATTEMPTS
) -> dict[str, Series]:
    """Let the contestants run in turn; ``say`` is told what runs.

    Each is to run long enough, a second or more, for the system's clock of other programs' time to tell. A contended
    round is tried up to ``attempts`` times.
    """
    names = list(contestants)
    found: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            say(f"round {number + 1} of {rounds}: {name}")
            found[name].append(_quietest(name, contestants[name], attempts, say))
    return {name: Series(tuple(samples)) for name, samples in found.items()}


def is_contended(sample: Sample) -> bool:
    """Whether others used so much of the processor that the figure may be theirs."""
    return sample.foreign_cores is not None and sample.foreign_cores > CONTENDED_CORES


def _quietest(name: str, contestant: Contestant, attempts: int, say: Say) -> Sample:
    best: Sample | None = None
    for attempt in range(attempts):
        sample = contestant()
        if best is None or (sample.foreign_cores or 0) < (best.foreign_cores or 0):
            best = sample
        if not is_contended(best):
            break
        if attempt + 1 < attempts:
            say(f"{name}: others kept {sample.foreign_cores:.1f} processors busy, once more")
    assert best is not None
    return best
