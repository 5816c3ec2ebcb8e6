"""Where a training is, and what can be read off its history: which epoch was the best, whether to go on."""

from __future__ import annotations

from typing import Any

import msgspec

Row = dict[str, float]
"""An epoch in numbers: a line of ``metrics.csv``."""


class Position(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All that a training needs to remember beside its tensors.

    There are no states of random generators in it: what is drawn is a function of the seed and of this position.

    Attributes
    ----------
    epoch, step
        The step that comes next: ``step`` of ``epoch``, both from 0.
    loss_total, loss_count, gradient_norm
        Sums over the steps of this epoch so far.
    seconds, waited_s, steps_timed
        Time of this epoch so far, and how much of it went into waiting for pictures.
    history
        A row per finished epoch.
    """

    epoch: int = 0
    step: int = 0
    loss_total: float = 0.0
    loss_count: float = 0.0
    gradient_norm: float = 0.0
    seconds: float = 0.0
    waited_s: float = 0.0
    history: list[Row] = msgspec.field(default_factory=list)

    def next_epoch(self, row: Row) -> Position:
        """The beginning of the next epoch."""
        return Position(epoch=self.epoch + 1, history=[*self.history, row])


def encode(position: Position) -> bytes:
    """As it is kept in a checkpoint. Numbers come back exactly."""
    return msgspec.json.encode(position)


def decode(data: bytes) -> Position:
    """The way back of :func:`encode`."""
    return msgspec.json.decode(data, type=Position)


def best_epoch(history: list[Row], column: str) -> int | None:
    """The first epoch with the highest value; ``None`` where nothing was validated."""
    values = [row[column] for row in history if column in row]
    return values.index(max(values)) if values else None


def out_of_patience(history: list[Row], column: str, patience: int | None) -> bool:
    """Whether the best epoch lies ``patience`` epochs back."""
    best = best_epoch(history, column)
    return patience is not None and best is not None and len(history) - 1 - best >= patience


def as_row(**values: Any) -> Row:
    """Numbers by name."""
    return {name: float(value) for name, value in values.items()}
