"""What the caller of a benchmark asks for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.benchmark.rounds import ATTEMPTS

ROOT = Path(__file__).parents[1]
NO_DATA = "VEDETTE_DATA does not name the folder of real videos and models, which this one needs"


@dataclass(frozen=True, kw_only=True)
class Options:
    """``quick``: see that it works rather than measure. ``data``: the real videos and models, if they are here."""

    quick: bool
    data: Path | None
    say: Callable[[str], None]

    @property
    def rounds(self) -> int:
        """Rounds of each contestant."""
        return 2 if self.quick else 5

    @property
    def attempts(self) -> int:
        """How often a round that others disturb is tried."""
        return 1 if self.quick else ATTEMPTS

    @property
    def seconds(self) -> float:
        """Length of a round."""
        return 0.3 if self.quick else 3.0


def find_data() -> Path | None:
    """The folder that ``VEDETTE_DATA`` names, if it is there."""
    folder = Path(os.environ.get("VEDETTE_DATA") or "")
    return folder if (folder / "models").is_dir() and (folder / "videos").is_dir() else None
