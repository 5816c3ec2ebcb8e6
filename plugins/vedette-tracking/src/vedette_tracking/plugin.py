"""What this distribution adds to Vedette."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.hookspecs import hookimpl
from vedette.specs import ResultSpec, StageSpec


@hookimpl
def vedette_stages() -> Iterable[StageSpec]:
    """Who is who, where they are and how fast."""
    from vedette_tracking.stages import STAGES

    return STAGES


@hookimpl
def vedette_results() -> Iterable[ResultSpec]:
    """Counts, and motion over the ground."""
    from vedette_tracking.results import RESULTS

    return RESULTS
