"""Spells: from scores at points in time to intervals in which something goes on. A state machine of numbers only.

The score is smoothed by a first-order lag whose time constant is a time, so that the frame rate does not matter. A
spell begins with the first sample at or above ``on`` and ends with the first one below ``off``; what begins again
within ``merge_ns`` goes on as the same spell. It counts once it has lasted ``min_ns``: then it is told, and its end
later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Thresholds of the smoothed score, ``off <= on``, and times in nanoseconds. After ``max_gap_ns`` without a sample
    nobody knows what went on: a spell ends with its latest sample."""

    on: float
    off: float
    smooth_ns: int
    min_ns: int
    merge_ns: int
    max_gap_ns: int


class Spell(msgspec.Struct):
    """What is known of one label. ``begin_ns``: of the spell that goes on; ``end_ns``: since when its score is low
    again; ``peak``: the highest smoothed score in it; ``told``: it has lasted long enough."""

    score: float
    last_ns: int
    begin_ns: int | None = None
    end_ns: int | None = None
    peak: float = 0.0
    told: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A spell has begun (``end_ns`` is ``None``), or is over. Each spell gives one of either, in this order."""

    begin_ns: int
    end_ns: int | None
    peak: float


def step(spell: Spell | None, rules: Rules, time_ns: int, score: float) -> tuple[Spell, list[Change]]:
    """Take a sample; ``spell`` is changed. Time that stands still or goes back, and a long gap, begin anew."""
    changes: list[Change] = []
    if spell is not None and not 0 < time_ns - spell.last_ns <= rules.max_gap_ns:
        changes += finish(spell, rules)
        spell = None
    if spell is None:
        spell = Spell(score=score, last_ns=time_ns)
    else:
        keep = math.exp((spell.last_ns - time_ns) / rules.smooth_ns) if rules.smooth_ns else 0.0
        spell.score = score + (spell.score - score) * keep
        spell.last_ns = time_ns
    return spell, changes + _judge(spell, rules)


def finish(spell: Spell, rules: Rules) -> list[Change]:
    """No more samples will come: what goes on ends with the latest one."""
    if spell.begin_ns is None:
        return []
    return _close(spell, spell.last_ns if spell.end_ns is None else spell.end_ns)


def _judge(spell: Spell, rules: Rules) -> list[Change]:
    now, changes = spell.last_ns, list[Change]()
    if spell.end_ns is not None and now - spell.end_ns > rules.merge_ns:
        changes += _close(spell, spell.end_ns)
    active = spell.begin_ns is not None and spell.end_ns is None
    if spell.score >= (rules.off if active else rules.on):
        spell.begin_ns = now if spell.begin_ns is None else spell.begin_ns
        spell.end_ns = None
        spell.peak = max(spell.peak, spell.score)
    elif active:
        spell.end_ns = now
    if spell.begin_ns is not None and not spell.told:
        until = now if spell.end_ns is None else spell.end_ns
        if until - spell.begin_ns >= rules.min_ns:
            spell.told = True
            changes.append(Change(spell.begin_ns, None, spell.peak))
    return changes


def _close(spell: Spell, end_ns: int) -> list[Change]:
    begin_ns, peak, told = spell.begin_ns, spell.peak, spell.told
    spell.begin_ns, spell.end_ns, spell.peak, spell.told = None, None, 0.0, False
    return [Change(begin_ns, end_ns, peak)] if told and begin_ns is not None else []
