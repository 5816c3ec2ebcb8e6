"""Errors of this package as errors of Vedette. Imported only where Vedette is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import vedette.errors
from vedette_bridge.errors import LinkError


@contextmanager
def translated() -> Iterator[None]:
    """Raise what is a ``LinkError`` here as a ``LinkError`` of Vedette, with the same words."""
    try:
        yield
    except LinkError as error:
        raise vedette.errors.LinkError(error.message, fix=error.fix) from error
