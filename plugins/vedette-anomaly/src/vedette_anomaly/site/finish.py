"""From a trained network and footage that was held back to a bundle with a limit, proved on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.samples import encode_png
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.model.loading import load_model
from vedette.model.pool import SessionPool
from vedette.registry import Registry
from vedette_anomaly import decoder
from vedette_anomaly.false_alarms import Limit, limit_of
from vedette_anomaly.recipes.bundle import Packing, pack_stream
from vedette_anomaly.recipes.footage import Footage
from vedette_anomaly.recipes.reconstruction import ReconstructionRecipe, ReconstructionSettings
from vedette_anomaly.recipes.scoring import scores_of, smoothed
from vedette_anomaly.stages import smooth

Say = Callable[[str], None]
GOLDENS = 12
"""Frames that follow each other, of which all but the first few are judged."""
LICENCE = "made from this site's own footage; not to be passed on without the consent of those it shows"


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """A network, and the normal footage that it has not learnt from."""

    recipe: ReconstructionRecipe[Any]
    settings: ReconstructionSettings
    network: nn.Module
    held: Sequence[Footage]
    videos: tuple[str, ...]
    """Names of the files that it was learnt from."""


def finish(learnt: Learnt, folder: Path, name: str, per_day: float, registry: Registry, say: Say) -> Path:
    """``NAME.vedette`` in ``folder``, in place of one that may be there.

    Parameters
    ----------
    per_day
        False alarms, for the limit.

    Raises
    ------
    VedetteError
        Too little footage was held back, the network cannot be exported, or the bundle does not compute here what it
        should.
    """
    say("finding the limit on footage that was held back")
    limit, params = calibrate(learnt, per_day / 24)
    say(f"    {describe(limit)}")
    say("packing and proving")
    packing = Packing(
        name=name,
        version="1.0.0",
        licence=LICENCE,
        models={"f32": learnt.recipe.write(learnt.network, learnt.settings, (), folder)},
        pictures=goldens(learnt.held),
        decoder=params,
        origin=describe(limit),
        data=learnt.videos,
    )
    bundle = pack_stream(learnt.recipe, learnt.settings, packing, folder / f"{name}.vedette")
    with open_bundle(bundle) as opened:
        prove(opened, registry, say)
    return bundle


def calibrate(learnt: Learnt, per_hour: float) -> tuple[Limit, decoder.Params]:
    """The limit, and the decoder whose score is 1 at it."""
    past, rate_hz = learnt.settings.past, learnt.settings.rate_hz
    raw = scores_of(learnt.recipe, learnt.network, learnt.held, past, decoder.Params().block)
    scores: NDArray[np.float64] = np.concatenate(
        [np.zeros(0), *(smoothed(item, rate_hz, smooth.Params().time_s) for item in raw)]
    )
    limit = limit_of(scores, rate_hz, per_hour)
    mean, deviation = float(scores.mean()), float(scores.std())
    alarm = (limit.value - mean) / deviation
    return limit, decoder.Params(mean=mean, deviation=deviation, alarm=alarm)


def describe(limit: Limit) -> str:
    """A limit in a line."""
    per_day = limit.per_hour * 24
    how = (
        f"{limit.seen} in the {limit.hours * 60:.1f} minutes that were held back; rarer than can be seen in them, "
        f"so it rests on the tail of {limit.peaks} peaks"
        if limit.extrapolated
        else f"{limit.seen} in the {limit.hours:.2f} hours that were held back"
    )
    return f"limit for {per_day:g} false alarms per day ({limit.per_frame:.2g} of the frames): {how}"


def goldens(held: Sequence[Footage]) -> list[bytes]:
    """Frames that follow each other where much moves, as PNG."""
    places = [
        (item.motion(at + GOLDENS // 2), item, at) for item in held for at in range(len(item) - GOLDENS)
    ]
    if not places:
        raise VedetteError(
            f"the held-back footage has no {GOLDENS} frames in a row", fix="give longer footage"
        )
    _, item, at = max(places, key=lambda place: place[0])
    frames = item.frames[at : at + GOLDENS]
    return [encode_png(np.broadcast_to(frame, (3, *frame.shape[1:])).transpose(1, 2, 0)) for frame in frames]


def prove(bundle: Bundle, registry: Registry, say: Say) -> None:
    """Run it here on what it was recorded to answer.

    Raises
    ------
    VedetteError
        It answers something else.
    """
    pool = SessionPool(len(os.sched_getaffinity(0)))
    model = load_model(bundle, registry, pool, image_decoder(registry))
    chosen, verdict = model.candidate, model.standing.verdict
    model.close()
    say(f"    proof of {chosen.variant} on {chosen.backend}:{chosen.device} at {chosen.precision}: {verdict}")
