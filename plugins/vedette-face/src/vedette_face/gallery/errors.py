"""What is raised about galleries."""

from __future__ import annotations

from vedette.errors import VedetteError


class GalleryError(VedetteError):
    """A gallery cannot be opened, changed or asked."""
