"""What the numbers of a run say about it, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from vedette_torch.training.position import Row, best_epoch

Kind = Literal["waits_for_loader", "overfits", "lacks_data", "underfits", "unfinished", "fine"]

MUCH_WAITING = 0.25
"""Share of the time spent on waiting for pictures from which on the loader is what to work on."""
RISE = 1.05
"""A validation loss this many times its lowest has turned."""
GAP = 0.05
"""Difference between training and validation that matters, beyond what chance explains."""
POOR = 0.9
"""A network that gets less than this right of pictures that it trained on has not learnt them."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is the case with a run: ``kind`` for programs, ``message`` with the numbers, what to
    ``try_next``."""

    kind: Kind
    message: str
    try_next: str

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.try_next}" if self.try_next else self.message


def diagnose(history: Sequence[Row], main: str, samples: int) -> list[Finding]:
    """Judge a run by its rows.

    Training and validation are compared on as many pictures each, unaugmented and by the same network, which is what
    the columns ``probe_`` are for; ``main`` is a share of right answers or the like, 0..1. ``samples`` is the number of
    training samples.
    """
    rows = list(history)
    findings = [_loader(rows)] if rows else []
    if rows and f"val_{main}" in rows[-1]:
        findings += [_generalises(rows, main, samples), _has_learnt(rows, main)]
    found = [finding for finding in findings if finding is not None]
    return found or [Finding(kind="fine", message="nothing stands out", try_next="")]


def _loader(rows: list[Row]) -> Finding | None:
    later = rows[1:]  # in the first epoch all files are read
    seconds = sum(row["seconds"] for row in later)
    share = sum(row["waited_s"] for row in later) / seconds if seconds else 0.0
    if share <= MUCH_WAITING:
        return None
    return Finding(
        kind="waits_for_loader",
        message=f"{share:.0%} of the time went into waiting for pictures",
        try_next="raise workers; raise cache_mb so that pictures stay in memory; store pictures closer to the size of "
        "the input; leave out the dearest augmentation (turn, hue)",
    )


def _generalises(rows: list[Row], main: str, samples: int) -> Finding | None:
    last = rows[-1]
    gap = last[f"probe_{main}"] - last[f"val_{main}"]
    if gap <= max(GAP, 2 * _chance(last, main)):
        return None
    losses = [row["val_loss"] for row in rows]
    lowest = losses.index(min(losses))
    numbers = (
        f"{main} is {last[f'probe_{main}']:.3f} on training pictures and {last[f'val_{main}']:.3f} on others"
    )
    if losses[-1] > RISE * losses[lowest]:
        return Finding(
            kind="overfits",
            message=f"the run overfits: {numbers}, and the validation loss rose from {losses[lowest]:.3f} "
            f"(epoch {lowest + 1}) to {losses[-1]:.3f}",
            try_next="augment more (crop, flip, erase, mix-up), raise weight_decay or dropout, use label_smoothing "
            "or ema, set patience, or make the network smaller",
        )
    return Finding(
        kind="lacks_data",
        message=f"the run lacks data: {numbers}, while the validation loss did not turn; "
        f"it was given {samples} samples",
        try_next="collect more, above all of what is mistaken; begin from trained weights; until then augment more",
    )


def _has_learnt(rows: list[Row], main: str) -> Finding | None:
    last = rows[-1]
    best = best_epoch(rows, f"val_{main}")
    if (
        len(rows) >= 3
        and best == len(rows) - 1
        and last["learning_rate"] > 0.3 * max(row["learning_rate"] for row in rows)
    ):
        return Finding(
            kind="unfinished",
            message=f"the last epoch was the best one ({main} {last[f'val_{main}']:.3f}) and the learning rate "
            "still high",
            try_next="train for more epochs, with a schedule that ends low (cosine, one_cycle)",
        )
    if last[f"probe_{main}"] < POOR:
        return Finding(
            kind="underfits",
            message=f"even on training pictures {main} is only {last[f'probe_{main}']:.3f}",
            try_next="train for more epochs, try another learning_rate (times 3, a third), augment less, widen the "
            "network; look at the pictures and their labels",
        )
    return None


def _chance(row: Row, main: str) -> float:
    """Standard error of the difference of two shares over as many pictures."""
    n = max(row["val_pictures"], 1.0)
    return sqrt(sum(max(p * (1 - p), 0.0) / n for p in (row[f"probe_{main}"], row[f"val_{main}"])))
