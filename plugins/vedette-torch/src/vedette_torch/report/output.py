"""A text that is on the disk in whole or not at all."""

from __future__ import annotations

from pathlib import Path

from vedette.bundle.atomic import replace_file
from vedette.errors import VedetteError


def write_text(path: Path, text: str) -> int:
    """Write UTF-8, in place of what is there, which stays if that fails; the number of bytes.

    Raises
    ------
    VedetteError
        It cannot be written.
    """
    content = text.encode()
    try:
        replace_file(path, content)
    except OSError as error:
        raise VedetteError(
            f"{path}: cannot be written: {error.strerror}", fix="make the folder, or room on the disk"
        ) from error
    return len(content)
