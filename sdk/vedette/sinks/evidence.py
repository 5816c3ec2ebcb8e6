"""Pictures and clips of events, put into files beside the file that tells of the events."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import replace
from pathlib import Path

from vedette.bundle.atomic import replace_file
from vedette.errors import PipelineError
from vedette.events import Event, Evidence


def stored(event: Event, beside: Path) -> Event:
    """The same event with its evidence in files: ``STEM.evidence/ID-0.png`` in the folder of ``beside``, ``STEM`` being
    its name without suffix. An event that is delivered again writes the same files again.

    Raises
    ------
    PipelineError
        A file cannot be written.
    """
    if all(item.data is None for item in event.evidence):
        return event
    folder = beside.with_name(f"{beside.stem}.evidence")
    items = tuple(_store(item, folder, f"{event.id}-{number}") for number, item in enumerate(event.evidence))
    return replace(event, evidence=items)


def _store(item: Evidence, folder: Path, stem: str) -> Evidence:
    if item.data is None:
        return item
    path = folder / f"{stem}{mimetypes.guess_extension(item.media_type) or '.bin'}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, item.data)
    except OSError as error:
        raise PipelineError(
            f"cannot write {path}: {error.strerror}",
            fix="check the disk's free space and permissions, or set evidence to 'inline'",
        ) from error
    digest = hashlib.sha256(item.data).hexdigest()
    return replace(item, data=None, path=f"{folder.name}/{path.name}", sha256=digest)
