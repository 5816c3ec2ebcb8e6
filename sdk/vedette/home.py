"""Where Vedette keeps what belongs to this box or this user: keys, trust and installed models.

``VEDETTE_HOME``, if set, holds it all; otherwise the folders of the XDG base directory specification do.
"""

from __future__ import annotations

import os
from pathlib import Path

from vedette.errors import VedetteError


def config_folder() -> Path:
    """What a person decided: ``$VEDETTE_HOME``, ``$XDG_CONFIG_HOME/vedette`` or ``~/.config/vedette``."""
    return _folder("XDG_CONFIG_HOME", ".config")


def data_folder() -> Path:
    """What was installed: ``$VEDETTE_HOME``, ``$XDG_DATA_HOME/vedette`` or ``~/.local/share/vedette``."""
    return _folder("XDG_DATA_HOME", ".local/share")


def cache_folder() -> Path:
    """What can be made again: ``$VEDETTE_HOME``, ``$XDG_CACHE_HOME/vedette`` or ``~/.cache/vedette``."""
    return _folder("XDG_CACHE_HOME", ".cache")


def _folder(variable: str, below_home: str) -> Path:
    if own := os.environ.get("VEDETTE_HOME"):
        return Path(own).absolute()
    base = Path(os.environ.get(variable, ""))
    if base.is_absolute():  # the specification: relative ones are ignored
        return base / "vedette"
    try:
        return Path.home() / below_home / "vedette"
    except RuntimeError:
        raise VedetteError(
            "there is no home folder for keys and installed models", fix="set VEDETTE_HOME to a folder"
        ) from None
