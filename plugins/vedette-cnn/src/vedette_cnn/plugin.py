"""What this distribution adds to Vedette."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.hookspecs import hookimpl
from vedette.specs import PostprocessSpec


@hookimpl
def vedette_postprocessors() -> Iterable[PostprocessSpec]:
    """Decoders of the common output formats of classifiers and detectors."""
    from vedette_cnn.decoders import DECODERS

    return DECODERS
