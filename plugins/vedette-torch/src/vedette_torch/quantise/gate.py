"""The gate: an int8 variant is sealed only if it loses no more accuracy than was allowed, and proves itself by goldens
of its own, on every backend here.

Beyond the budget, layers are left in float, the most sensitive first, and as few as are enough: 1, 2, 4, ... of the
ranking until the budget is met, then by bisection, each step measured through the backends. More layers in float can by
chance score lower; what is sure is that one layer fewer was measured, and failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vedette_torch.metrics.figure import Figure
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.sensitivity import Sensitivity

Proof = Literal["require", "warn"]
"""``require``: files that a box would refuse do not pass; ``warn``: they do, and the report says so."""

MOST_KEPT = 0.5
"""Of the layers may stay in float; beyond that a quantised model is none."""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """What int8 costs on one backend, in parts of 1 (0.01 is a point); ``interval``: of the difference, at 95 %."""

    metric: str
    f32: Figure
    int8: Figure
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        return value_of(self.f32) - value_of(self.int8)


def value_of(figure: Figure) -> float:
    """The value of a figure that is defined, as those of a gate are: there is a sample."""
    assert figure.value is not None
    return figure.value


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One measured choice of layers in float. By backend: ``drops``, and of those on which the files do not pass the
    proof by their own goldens, ``refused``: why. No box would use them there."""

    keep: tuple[str, ...]
    drops: Mapping[str, Drop]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """The largest drop."""
        return max(drop.value for drop in self.drops.values())

    def passes(self, budget: float, proof: Proof) -> bool:
        """Whether it loses no more than ``budget`` on any backend and, if that is required, is proved on all."""
        return self.worst <= budget and (proof == "warn" or not self.refused)


@dataclass(frozen=True, kw_only=True)
class Passed:
    """The choice that is within the budget, and all attempts in their order."""

    best: Attempt
    attempts: Sequence[Attempt] = field(default_factory=tuple)


def pass_gate(
    layers: Sequence[str],
    rank: Callable[[], Sequence[Sensitivity]],
    attempt: Callable[[tuple[str, ...]], Attempt],
    budget: float,
    proof: Proof = "require",
) -> Passed:
    """Find the fewest layers in float with which the drop is within ``budget`` (parts of 1).

    Parameters
    ----------
    layers
        All that are quantised otherwise.
    rank
        Asked only if some must stay in float.
    attempt
        Quantises and measures with these layers in float.
    proof
        What files mean that do not pass their own goldens.

    Raises
    ------
    QuantiseError
        Not even with half of the layers in float; the message has what was measured.
    """
    attempts = [attempt(())]
    if attempts[0].passes(budget, proof):
        return Passed(best=attempts[0], attempts=attempts)
    ranking = [item.layer for item in rank()]
    failing, passing, most = 0, 1, int(len(layers) * MOST_KEPT)
    best = None
    while best is None and failing < most:
        passing = min(passing, most)
        attempts.append(attempt(tuple(ranking[:passing])))
        if attempts[-1].passes(budget, proof):
            best = attempts[-1]
        else:
            failing, passing = passing, 2 * passing
    if best is None:
        if any(item.worst <= budget for item in attempts):
            raise QuantiseError(f"int8 cannot prove itself: {_history(attempts)}", fix=_FIX_OF_PROOF)
        raise QuantiseError(f"int8 loses more than {100 * budget:g} points: {_history(attempts)}", fix=_FIX)
    while passing - failing > 1:
        middle = (failing + passing) // 2
        attempts.append(attempt(tuple(ranking[:middle])))
        if attempts[-1].passes(budget, proof):
            best, passing = attempts[-1], middle
        else:
            failing = middle
    return Passed(best=best, attempts=attempts)


_FIX = (
    "allow more (--max-drop), calibrate on more or better pictures, try --ranges percentile or entropy, or train on "
    "with rounding (--method qat); measure on more pictures, where the intervals are wide"
)


_FIX_OF_PROOF = (
    "a network whose answers hang on single roundings is not the same on two boxes: try --method nncf or --ranges "
    "percentile, train on with rounding (--method qat), or keep it in float; --proof warn writes it all the same"
)


def _history(attempts: Sequence[Attempt]) -> str:
    """The first attempt, the one that lost least, and the last."""
    least = min(attempts, key=lambda attempt: attempt.worst)
    shown = {len(item.keep): item for item in (attempts[0], least, attempts[-1])}.values()
    return "; ".join(
        f"with {len(attempt.keep)} layers in float "
        + ", ".join(
            f"{100 * drop.value:+.2f} on {backend} ({100 * drop.interval[0]:+.2f} .. {100 * drop.interval[1]:+.2f})"
            for backend, drop in attempt.drops.items()
        )
        + "".join(f", refused on {backend}: {problem}" for backend, problem in attempt.refused.items())
        for attempt in shown
    )
