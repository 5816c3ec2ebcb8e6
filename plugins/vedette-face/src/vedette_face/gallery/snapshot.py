"""What a gallery holds at one moment: whose templates are searched, and what has expired."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vedette_face.gallery.calibration import NOBODY, Calibration, calibrate
from vedette_face.gallery.record import Record
from vedette_face.gallery.search import People
from vedette_face.gallery.store import Contents

DAY_S = 86_400.0
_MOST_PROBES = 2000
"""Templates that stand in as impostors where no probes were given."""
_SEED = 8


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody enrolled. ``records``: in which of them the templates are; ``expires_s``: Unix time, of the first."""

    name: str
    templates: int
    records: tuple[str, ...]
    expires_s: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """``live``: the records that have not expired, by name; ``people``: those who are enrolled in them.
    ``until_s``: Unix time from which on this is out of date."""

    contents: Contents
    live: Mapping[str, Record]
    people: People
    until_s: float

    @classmethod
    def of(cls, contents: Contents) -> Self:
        """As it is now."""
        now = time.time()
        live = {name: record for name, record in contents.records.items() if expiry_s(contents, record) > now}
        return cls(
            contents=contents,
            live=live,
            people=people_of(list(live.values()), contents.header.dimension),
            until_s=min((expiry_s(contents, record) for record in live.values()), default=math.inf),
        )

    @property
    def expired(self) -> list[str]:
        """Names of the records that are older than the retention time."""
        return [name for name in self.contents.records if name not in self.live]

    def person(self, name: str) -> Person:
        """What there is of somebody enrolled."""
        found = {
            at: record for at, record in self.live.items() if (record.kind, record.name) == ("person", name)
        }
        first = min(expiry_s(self.contents, record) for record in found.values())
        return Person(
            name=name,
            templates=sum(len(record.templates) for record in found.values()),
            records=tuple(sorted(found)),
            expires_s=None if math.isinf(first) else first,
        )


def expiry_s(contents: Contents, record: Record) -> float:
    """Unix time at which a record expires; infinite without a retention time."""
    days = contents.header.retention_days
    return math.inf if days is None else record.created_s + days * DAY_S


def people_of(records: Sequence[Record], dimension: int) -> People:
    """Those who are enrolled in some records."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for record in records:
        if record.kind == "person":
            found.setdefault(record.name, []).append(record.templates)
    return People.of({name: np.concatenate(rows) for name, rows in found.items()}, dimension)


def measure(
    records: Sequence[Record], dimension: int, identify_rate: float, verify_rate: float
) -> Calibration:
    """Thresholds from the probes among some records, or else from the templates themselves.

    Raises
    ------
    GalleryError
        There are too few for a rate.
    """
    people = people_of(records, dimension)
    given = [record for record in records if record.kind == "probe"]
    if given:
        row = {name: at for at, name in enumerate(people.names)}
        owners = [np.full(len(record.templates), row.get(record.name, NOBODY)) for record in given]
        probes, person = np.concatenate([record.templates for record in given]), np.concatenate(owners)
    else:
        chosen = np.arange(len(people.templates))
        if len(chosen) > _MOST_PROBES:
            chosen = np.random.default_rng(_SEED).choice(chosen, _MOST_PROBES, replace=False)
        probes, person = people.templates[chosen], people.owner[chosen]
    return calibrate(
        probes,
        person,
        people,
        identify_rate=identify_rate,
        verify_rate=verify_rate,
        source="probes" if given else "gallery",
    )
