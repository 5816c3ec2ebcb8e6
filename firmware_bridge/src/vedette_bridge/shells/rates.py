"""Which baud rate to ask a device for, and what held before."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LADDER = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 921_600, 460_800, 230_400)
"""Where to go when a rate does not hold; lower, to the next of these."""
MOST_BYTES = 1 << 20

logger = logging.getLogger("vedette.bridge")


def state_folder() -> Path:
    """Where rates are kept if nobody says otherwise: ``$VEDETTE_HOME``, ``$XDG_STATE_HOME/vedette`` or
    ``~/.local/state/vedette``."""
    if home := os.environ.get("VEDETTE_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "vedette"


@dataclass
class Known:
    """What is known of one device: the best rate that held, and those that did not."""

    best: int = 0
    failed: set[int] = field(default_factory=set)


class RateMemory:
    """Rates by serial number of the device, in a small JSON file. That it cannot be read or written hinders nothing:
    it is logged, and rates are tried anew.

    Parameters
    ----------
    path
        The file; ``None``: nothing outlives this object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, Known] = {}
        if path is not None:
            self._known = _read(path)

    def of(self, serial: str) -> Known:
        """What is known of a device; ``serial`` may be empty: all that do not say who they are."""
        return self._known.get(serial, Known())

    def note(self, serial: str, baud: int, held: bool) -> None:
        """A rate was tried."""
        known = self._known.setdefault(serial, Known())
        if held:
            known.best = baud
            known.failed.discard(baud)
        else:
            known.failed.add(baud)
            known.best = 0 if known.best == baud else known.best
        if self._path is not None and serial:
            self._write(self._path)

    def _write(self, path: Path) -> None:
        text = json.dumps(
            {
                serial: {"best": known.best, "failed": sorted(known.failed)}
                for serial, known in self._known.items()
                if serial
            },
            indent=2,
        )
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text + "\n")
            part.replace(path)
        except OSError as error:
            logger.warning("%s cannot be written, and rates will be tried anew next time: %s", path, error)
            with contextlib.suppress(OSError):
                part.unlink()


class RatePlan:
    """The rates to try on one link.

    Parameters
    ----------
    asked
        The rate that the user wants; 0: stay at the start rate.
    """

    def __init__(self, asked: int, memory: RateMemory) -> None:
        self._asked = asked
        self._memory = memory
        self._lapses: dict[int, int] = {}

    def next(self, serial: str, now_baud: int) -> int | None:
        """The rate to go to from ``now_baud``; ``None``: stay."""
        known = self._memory.of(serial)
        if known.best and now_baud < known.best <= self._asked and self._lapses.get(known.best, 0) < 2:
            return known.best
        for baud in (self._asked, *LADDER):
            if now_baud < baud <= self._asked and baud not in known.failed and self._lapses.get(baud, 0) < 2:
                return baud
        return None

    def settled(self, serial: str, baud: int, held: bool) -> None:
        """A change to ``baud`` came to its end."""
        self._memory.note(serial, baud, held)

    def lapsed(self, baud: int) -> None:
        """The link fell silent soon after it had gone to ``baud``: once may be chance."""
        self._lapses[baud] = self._lapses.get(baud, 0) + 1


def _read(path: Path) -> dict[str, Known]:
    try:
        with path.open("rb") as file:
            entries: Any = json.loads(file.read(MOST_BYTES))
        return {
            serial: Known(int(entry["best"]), {int(baud) for baud in entry["failed"]})
            for serial, entry in entries.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("%s is not used: %s", path, error)
        return {}
