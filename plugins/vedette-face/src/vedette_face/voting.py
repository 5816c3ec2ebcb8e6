"""One name per track: many looks are put together, so that a name neither flickers nor sticks to somebody else.

A track is *named* when most of its latest looks say the same name, and there are enough of them. It keeps that name
until another has most of a full window, or hardly any of a full window says it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Attributes
    ----------
    window
        Latest looks that count.
    min_votes
        Looks that must say a name before a track gets it, besides being more than half of those in the window.
    keep
        Looks of a full window that must go on saying the name of a track; with fewer the track is asked anew.
    """

    window: Count = 15
    min_votes: Count = 3
    keep: Count = 3


class Look(msgspec.Struct, frozen=True):
    """What one look at a face said. ``name`` is ``None`` for unknown; ``score`` and ``margin`` are cosines."""

    name: str | None
    score: float
    margin: float


class Ballot(msgspec.Struct):
    """Of one track: its latest looks, oldest first; the name it has; when it was last there."""

    looks: list[Look] = []
    name: str | None = None
    last_ns: int = 0

    @property
    def answer(self) -> Look:
        """Name, mean score and mean margin of the looks that say it. For unknown, those of the latest look."""
        said = [look for look in self.looks if look.name == self.name]
        if self.name is None or not said:
            latest = self.looks[-1] if self.looks else Look(None, 0.0, 0.0)
            return Look(self.name, latest.score, latest.margin)
        return Look(
            self.name,
            sum(look.score for look in said) / len(said),
            sum(look.margin for look in said) / len(said),
        )


def vote(ballot: Ballot, look: Look, rules: Rules) -> None:
    """Count one more look."""
    ballot.looks = [*ballot.looks, look][-rules.window :]
    votes = Counter(look.name for look in ballot.looks if look.name is not None)
    full = len(ballot.looks) == rules.window
    if ballot.name is not None and full and votes[ballot.name] < rules.keep:
        ballot.name = None
    leader, count = max(votes.items(), key=lambda entry: entry[1], default=(None, 0))
    wins = count >= rules.min_votes and 2 * count > len(ballot.looks)
    if wins and (ballot.name is None or full):
        ballot.name = leader


def forget(ballot: Ballot, enrolled: Container[str]) -> None:
    """Drop what was said of people who are enrolled no more."""
    if any(look.name is not None and look.name not in enrolled for look in ballot.looks):
        ballot.looks = [look for look in ballot.looks if look.name is None or look.name in enrolled]
    if ballot.name is not None and ballot.name not in enrolled:
        ballot.name = None
