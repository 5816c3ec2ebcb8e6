"""Who is there: somebody comes when a face gets their name, and has left when no face had it for a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from vedette.events import EventDraft


class Visit(msgspec.Struct):
    """Of one person who is there. ``*_ns`` by the clock of capture; ``start_wall_ns`` is when it began on the wall."""

    start_ns: int
    start_wall_ns: int
    last_ns: int
    score: float
    track_id: int | None


def arrive(
    visits: dict[str, Visit], name: str, score: float, track_id: int | None, now_ns: int, wall_ns: int
) -> Iterator[EventDraft]:
    """A face has this name now: ``person.seen``, if they were not there before."""
    visit = visits.get(name)
    if visit is not None:
        visit.last_ns, visit.score, visit.track_id = now_ns, max(visit.score, score), track_id
        return
    visits[name] = Visit(now_ns, wall_ns, now_ns, score, track_id)
    data: dict[str, object] = {"name": name, "score": round(score, 4)}
    if track_id is not None:
        data["track_id"] = track_id
    yield EventDraft(kind="person.seen", subject=f"person:{name}", t_start_ns=wall_ns, data=data)


def leave(visits: dict[str, Visit], names: Iterable[str]) -> Iterator[EventDraft]:
    """``person.left``, of the whole visit: it ends when they were last seen."""
    for name in list(names):
        visit = visits.pop(name)
        lasted_ns = visit.last_ns - visit.start_ns
        yield EventDraft(
            kind="person.left",
            subject=f"person:{name}",
            t_start_ns=visit.start_wall_ns,
            t_end_ns=visit.start_wall_ns + lasted_ns,
            data={"name": name, "score": round(visit.score, 4), "seconds": round(lasted_ns / 1e9, 3)},
        )


def away(visits: dict[str, Visit], now_ns: int, away_ns: int) -> list[str]:
    """Who was not seen for so long."""
    return [name for name, visit in visits.items() if now_ns - visit.last_ns > away_ns]
