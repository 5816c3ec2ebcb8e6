"""Thresholds from a stated rate of false answers, measured on faces of people who are not the one looked for.

*Verification* compares one face with one person; its threshold is a quantile of the scores between faces and other
people. *Identification* takes the best of all people, so its threshold is one of each impostor's **best** score, which
grows with the gallery: with ``F`` the distribution of one score, the best of ``N`` has ``F**N``.

A quantile is an order statistic, without a model: of ``n`` exchangeable scores the ``k``-th largest is exceeded by the
next one with probability ``k / (n + 1)``. Pictures of one person are not exchangeable with those of others, though: one
pair of people who look alike holds the few greatest scores. So for identification an exponential tail is fitted to the
greatest fifth of the best scores too (peaks over a threshold: Pickands 1975, "Statistical Inference Using Extreme Order
Statistics", Annals of Statistics 3), which does not hang on one pair, and the greater of both thresholds is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.search import People

NOBODY = -1
"""The person of a face whose owner is not in the gallery."""
_ROWS = 256
_TAIL = 0.2
"""Share of the best scores that the tail is fitted to."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A score must be greater than ``value``. ``rate``: what was asked for. ``accepted`` of ``impostors`` scores that
    it was taken from are greater; ``low`` and ``high`` are the 95 % interval of that share. Pictures of one person
    depend on each other: with few people the interval is wider than it says."""

    value: float
    rate: float
    impostors: int
    accepted: int
    low: float
    high: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both thresholds, for a gallery of ``people``; ``source``: which faces they were measured with."""

    identify: Threshold
    verify: Threshold
    people: int
    source: Literal["probes", "gallery"]


@dataclass(frozen=True, eq=False)
class Impostors:
    """``best (n,) float32``: of each face that has others to be taken for, the best score among them. ``pairs (m,)
    float32``: the greatest of all scores between a face and another person, sorted, greatest first; ``pair_count``:
    how many there were."""

    best: NDArray[np.float32]
    pairs: NDArray[np.float32]
    pair_count: int


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a proportion (Wilson 1927, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22); ``z``: 95 %."""
    if trials == 0:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def impostor_scores(
    probes: NDArray[np.float32], person: NDArray[np.int64], people: People, *, top_share: float
) -> Impostors:
    """Compare each probe with everybody but its own person, who is left out of the gallery for it.

    Parameters
    ----------
    probes
        ``(n, d)``, unit vectors.
    person
        ``(n,)``: row in ``people.names``, or :data:`NOBODY`.
    top_share
        Which share of the pairs to keep, the greatest.
    """
    best: list[NDArray[np.float32]] = []
    pairs = np.empty(0, np.float32)
    n, known = len(probes), int((person != NOBODY).sum())
    count = n * len(people) - known
    keep = max(1, math.ceil(top_share * (count + 1)))
    for first in range(0, n, _ROWS):
        scores = people.person_scores(probes[first : first + _ROWS])
        own = person[first : first + _ROWS]
        rows = np.flatnonzero(own != NOBODY)
        scores[rows, own[rows]] = -np.inf
        best.append(scores.max(axis=1, initial=-np.inf))
        flat = np.concatenate([pairs, scores[scores > -np.inf]])
        pairs = np.partition(flat, len(flat) - keep)[-keep:] if len(flat) > keep else flat
    joined = np.concatenate(best) if best else np.empty(0, np.float32)
    return Impostors(joined[joined > -np.inf], np.sort(pairs)[::-1], count)


def threshold_at(
    greatest: NDArray[np.float32], count: int, rate: float, asked: float | None = None
) -> Threshold:
    """The threshold that the next impostor exceeds with probability ``rate`` or less.

    Parameters
    ----------
    greatest
        Scores of impostors, greatest first: all ``count``, or as many as ``rate`` needs.
    asked
        The rate to note, where ``rate`` is that one corrected.

    Raises
    ------
    GalleryError
        There are too few scores to say anything about so low a rate.
    """
    asked = rate if asked is None else asked
    k = math.floor(rate * (count + 1) + 1e-9)
    if k < 1:
        needed = math.ceil(1 / rate - 1e-9) - 1
        raise GalleryError(
            f"{count} faces of impostors are too few for a rate of {asked:g}: it takes {needed}",
            fix=f"give more faces of people who are not enrolled, or a rate of at least {1 / (count + 1):.2g}",
        )
    return _counted(greatest, count, float(greatest[k - 1]), asked)


def tail_threshold(greatest: NDArray[np.float32], rate: float) -> float:
    """The score that a fitted tail exceeds with probability ``rate``. ``greatest``: all scores, greatest first.

    With ``p`` the share of the scores above ``u`` and ``s`` their mean excess,
    ``P(score > t) = p exp(-(t - u) / s)``.
    """
    above = math.ceil(_TAIL * len(greatest))
    if above >= len(greatest) or rate >= _TAIL:
        return -math.inf  # nothing to extrapolate from, or nothing to extrapolate to
    u = float(greatest[above])
    return u + (float(greatest[:above].mean()) - u) * math.log(above / len(greatest) / rate)


def _counted(greatest: NDArray[np.float32], count: int, value: float, asked: float) -> Threshold:
    accepted = int((greatest > value).sum())
    low, high = wilson_interval(accepted, count)
    return Threshold(value=value, rate=asked, impostors=count, accepted=accepted, low=low, high=high)


def calibrate(
    probes: NDArray[np.float32],
    person: NDArray[np.int64],
    people: People,
    *,
    identify_rate: float,
    verify_rate: float,
    source: Literal["probes", "gallery"],
) -> Calibration:
    """Both thresholds for a gallery.

    A probe of somebody who is enrolled meets one person less than a stranger will: the best of ``N - 1`` scores stays
    below a threshold with probability ``F**(N - 1)``, so the rate is corrected to ``1 - (1 - rate)**((N - 1) / N)``.

    Raises
    ------
    GalleryError
        A rate is out of range, or there are too few probes for it.
    """
    for rate in (identify_rate, verify_rate):
        if not 0 < rate < 1:
            raise GalleryError(f"a rate of false answers is between 0 and 1, not {rate}")
    found = impostor_scores(probes, person, people, top_share=verify_rate)
    size = len(people)
    corrected = identify_rate
    if size > 1 and (person != NOBODY).any():
        corrected = 1 - (1 - identify_rate) ** ((size - 1) / size)
    best = np.sort(found.best)[::-1]
    quantile = threshold_at(best, len(best), corrected, identify_rate).value
    return Calibration(
        identify=_counted(best, len(best), max(quantile, tail_threshold(best, corrected)), identify_rate),
        verify=threshold_at(found.pairs, found.pair_count, verify_rate),
        people=size,
        source=source,
    )


# --- how well it holds, on people whom the calibration never saw ----------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OpenSet:
    """What came of a trial with unknown people. ``rank_1``: share of probes of enrolled people whose nearest is
    right, whatever its score."""

    impostors: int
    false_identified: int
    false_low: float
    false_high: float
    genuine: int
    identified: int
    rank_1: float
    thresholds: tuple[float, ...]

    @property
    def false_rate(self) -> float:
        return self.false_identified / self.impostors

    @property
    def true_rate(self) -> float:
        return self.identified / self.genuine


def open_set_trial(
    embeddings: NDArray[np.float32], person: NDArray[np.int64], *, folds: int, rate: float, enrolled: int = 1
) -> OpenSet:
    """People are split in ``folds``; each fold in turn is unknown. Of each of the others the first ``enrolled``
    pictures are the gallery. The threshold comes from all pictures of the enrolled people alone, each against the
    gallery without its own person; then every picture of the unknown people is an impostor, and the other pictures of
    the enrolled ones are to be identified.

    Parameters
    ----------
    embeddings, person
        ``(n, d)`` unit vectors, ``(n,)`` whose each is.
    """
    everybody = np.unique(person)
    false = impostors = identified = genuine = nearest = 0
    thresholds: list[float] = []
    for fold in range(folds):
        unknown = everybody[fold * len(everybody) // folds : (fold + 1) * len(everybody) // folds]
        known = np.setdiff1d(everybody, unknown)
        pictures = [np.flatnonzero(person == who) for who in known]
        people = People.of(
            {str(who): embeddings[rows[:enrolled]] for who, rows in zip(known, pictures, strict=True)}
        )
        row = {name: at for at, name in enumerate(people.names)}
        mine = np.concatenate(pictures)
        own = np.array([row[str(who)] for who in person[mine]])
        threshold = calibrate(
            embeddings[mine], own, people, identify_rate=rate, verify_rate=rate, source="probes"
        ).identify.value
        stranger = people.search(embeddings[np.isin(person, unknown)], threshold)
        rest = np.concatenate([rows[enrolled:] for rows in pictures])
        friend = people.search(embeddings[rest], threshold)
        right = np.array([name == str(who) for name, who in zip(friend.nearest, person[rest], strict=True)])
        thresholds.append(threshold)
        false += int(stranger.known.sum())
        impostors += len(stranger.known)
        identified += int((friend.known & right).sum())
        nearest += int(right.sum())
        genuine += len(right)
    low, high = wilson_interval(false, impostors)
    return OpenSet(
        impostors=impostors,
        false_identified=false,
        false_low=low,
        false_high=high,
        genuine=genuine,
        identified=identified,
        rank_1=nearest / genuine,
        thresholds=tuple(thresholds),
    )
