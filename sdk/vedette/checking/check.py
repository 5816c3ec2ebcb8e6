"""A model looked at through pictures, as it was packed and with each common mistake undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette.bundle.recording import images_of
from vedette.bundle.samples import Sample
from vedette.bundle.trial import Trial
from vedette.checking.evidence import Evidence, confirmed, findings, sureness
from vedette.checking.mistakes import Alternative, Kind, alternatives
from vedette.errors import VedetteError
from vedette.frame import Packed
from vedette.results import Result

SURE, SURE_OF_RESIZE = 2.5, 3.5
"""Standard deviations that the gains must sum up to. More is asked of another way to resize, because it shows the model
things in another size: that alone changes what it finds, for better or worse, and alike for several things at once."""
MORE = 1.1
"""Times the evidence as given that there must be at least."""
BLIND, BLIND_GAIN = 4.0, 0.75
"""A few findings are enough where the model is next to blind as given: so many times the evidence, and more by so much
times the square root of the number of pictures."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What a model says of the pictures, one result each.

    ``best`` is its highest confidence; ``evidence`` is ``None`` where its results have no confidence to go by.
    """

    results: tuple[Result, ...]
    best: float
    evidence: Evidence | None

    @property
    def found(self) -> int:
        """Rows of all results."""
        return sum(map(len, self.results))


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """One mistake undone. ``look`` is ``None`` where the model could not be run so, for the reason ``problem``.

    ``total``: the evidence; ``sureness``: by how many standard deviations that is more than as given; ``clear``: it is
    clearly better.
    """

    alternative: Alternative
    look: Look | None
    total: float = -1.0
    sureness: float = 0.0
    clear: bool = False
    problem: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Check:
    """What came of the pictures.

    ``tried`` is in the order of falling evidence; empty, and ``untried`` says why, where mistakes cannot be told.
    """

    pictures: tuple[Sample, ...]
    given: Look
    tried: tuple[Comparison, ...] = ()
    untried: str = ""

    @property
    def mistake(self) -> Comparison | None:
        """The mistake that was made: the clearly better alternative with the most evidence, if there is one."""
        return next((comparison for comparison in self.tried if comparison.clear), None)


def check(trial: Trial, pictures: Sequence[Sample]) -> Check:
    """Run a model on pictures, as given and with each of the common mistakes undone.

    An alternative is *clearly better* if it gives at least 1.1 times the evidence
    (:mod:`vedette.checking.evidence`), and either its gains, finding by finding, sum up to 2.5 standard deviations
    (3.5 for another way to resize), or, but for another way to resize, it gives 4 times the evidence and 0.75 x
    sqrt(pictures) more.

    Raises
    ------
    VedetteError
        The model cannot be run as given.
    """
    given = look(trial, pictures)
    images = images_of(trial.bundle.manifest)
    evidence = given.evidence
    if evidence is None:
        kind = given.results[0].type
        untried = f"results of type {kind!r} have no confidence by which one input could be told from another"
        return Check(pictures=tuple(pictures), given=given, untried=untried)
    if len(images) != 1:
        untried = f"the model has {len(images)} inputs that are made by the preprocessor 'image', not one"
        return Check(pictures=tuple(pictures), given=given, untried=untried)
    (((graph, name), spec),) = images.items()
    tried = [
        _compare(evidence, trial.with_image(graph, name, item.spec), item, pictures)
        for item in alternatives(spec, trial.sessions[graph].inputs[name])
    ]
    tried.sort(key=lambda item: -item.total)
    return Check(pictures=tuple(pictures), given=given, tried=tuple(tried))


def look(trial: Trial, pictures: Sequence[Sample]) -> Look:
    """Run a model on pictures and on their mirror images.

    Raises
    ------
    VedetteError
        It cannot be run.
    """
    upright = [picture.picture() for picture in pictures]
    results = trial.look([Packed("rgb", pixels) for pixels in upright])
    mirrored = trial.look([Packed("rgb", np.ascontiguousarray(pixels[:, ::-1])) for pixels in upright])
    best, evidence = 0.0, []
    for pixels, result, other in zip(upright, results, mirrored, strict=True):
        height, width = pixels.shape[:2]
        here, there = (findings(item, (width, height)) for item in (result, other))
        if here is None or there is None:
            return Look(results=tuple(results), best=0.0, evidence=None)
        best = max(best, float(here.weight.max(initial=0.0)))
        evidence.append(confirmed(here, there, width))
    return Look(
        results=tuple(results),
        best=best,
        evidence=Evidence(pictures=evidence),
    )


def _compare(
    given: Evidence, trial: Trial, alternative: Alternative, pictures: Sequence[Sample]
) -> Comparison:
    try:
        seen = look(trial, pictures)
    except VedetteError as error:  # as where values of another range come to more than a decoder accepts
        return Comparison(alternative=alternative, look=None, problem=error.message)
    assert seen.evidence is not None  # the decoder is the same
    sure = sureness(given, seen.evidence)
    clear = is_clear(given, seen.evidence, alternative.kind)
    return Comparison(
        alternative=alternative, look=seen, total=seen.evidence.total, sureness=sure, clear=clear
    )


def is_clear(given: Evidence, other: Evidence, kind: Kind) -> bool:
    """Whether another input is clearly better than the given one, by the rule of :func:`check`."""
    if other.total < MORE * given.total:
        return False
    sure = sureness(given, other)
    if kind == "resize":
        return sure >= SURE_OF_RESIZE
    blind = other.total >= BLIND * given.total
    gain = other.total - given.total
    return sure >= SURE or (blind and gain >= BLIND_GAIN * len(given.pictures) ** 0.5)
