"""Files that are put aside when they are large or old enough, and of which so many are kept."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("vedette.sinks")


@dataclass(frozen=True)
class Rotation:
    """When a file is put aside: beyond ``mb`` (10^6 bytes) or ``hours``. ``keep``: how many then stay; default all."""

    mb: float | None = None
    hours: float | None = None
    keep: int | None = None

    def due(self, size: int, opened_s: float) -> bool:
        """Whether a file of ``size`` bytes, opened at ``opened_s`` of :func:`time.monotonic`, has done its time. An
        empty one never has."""
        if not size:
            return False
        large = self.mb is not None and size >= self.mb * 1e6
        return large or (self.hours is not None and time.monotonic() - opened_s >= self.hours * 3600)

    def put_aside(self, path: Path) -> Path:
        """Rename ``street.jsonl`` to ``street.000001.jsonl`` and so on, and remove the oldest beyond ``keep``. Numbers
        rise, whatever the clock does.

        Raises
        ------
        OSError
            It cannot be renamed.
        """
        before = put_aside_before(path)
        number = _number(before[-1], path) + 1 if before else 1
        target = path.with_name(f"{path.stem}.{number:06}{path.suffix}")
        path.rename(target)
        for old in [*before, target][: -self.keep] if self.keep else []:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                log.error("%s cannot be removed: %s", old, error.strerror)
        return target


def put_aside_before(path: Path) -> list[Path]:
    """The files that were put aside of ``path``, the oldest first."""
    found = [other for other in path.parent.iterdir() if _number(other, path)]
    return sorted(found, key=lambda other: _number(other, path))


def _number(other: Path, path: Path) -> int:
    match = re.fullmatch(rf"{re.escape(path.stem)}\.(\d{{6,}}){re.escape(path.suffix)}", other.name)
    return int(match[1]) if match else 0
