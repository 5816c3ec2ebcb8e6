"""Files of evidence that are not kept for ever: the oldest go where there are too many bytes, or at a certain age."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

log = logging.getLogger("vedette.sinks")

SWEEP_S = 60.0


class Retention:
    """Keeps a folder of files within bounds. ``keep_mb`` counts 10^6 bytes; ``None``: no such bound."""

    def __init__(self, folder: Path, *, keep_mb: float | None, keep_days: float | None) -> None:
        self._folder = folder
        self._keep_mb = keep_mb
        self._keep_days = keep_days
        self._due_s = 0.0

    def sweep(self) -> int:
        """Remove what is beyond the bounds, at most once a minute; how many files."""
        if (self._keep_mb is None and self._keep_days is None) or time.monotonic() < self._due_s:
            return 0
        self._due_s = time.monotonic() + SWEEP_S
        files = self._files()
        total = sum(size for _, size, _ in files)
        oldest_s = None if self._keep_days is None else time.time() - self._keep_days * 86_400
        removed = 0
        for modified_s, size, path in files:
            fits = self._keep_mb is None or total <= self._keep_mb * 1e6
            if fits and (oldest_s is None or modified_s >= oldest_s):
                break
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.error("evidence %s cannot be removed: %s", path, error.strerror)
                break
            total -= size
            removed += 1
        if removed:
            log.info("%s: %d old files of evidence were removed", self._folder, removed)
        return removed

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of change, size and path, the oldest first."""
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                        about = entry.stat(follow_symlinks=False)
                        found.append((about.st_mtime, about.st_size, Path(entry.path)))
        except FileNotFoundError:
            return []
        return sorted(found)
