"""``metadata_props`` of an ONNX file: what its exporter says of it (https://onnx.ai/onnx/repo-docs/IR.html)."""

from __future__ import annotations

import mmap
from pathlib import Path

from vedette.bundle.protobuf import read_messages, read_text

METADATA_PROPS = 14
KEY, VALUE = 1, 2
MOST_ENTRIES, MOST_BYTES = 1024, 4 << 20


def read_metadata_props(path: Path) -> dict[str, str]:
    """The entries of ``metadata_props``, text by name; of a name that is there twice the last.

    Raises
    ------
    ValueError
        The file is no protobuf message, or there are more than 1024 entries or 4 MiB of them.
    """
    found: dict[str, str] = {}
    total = 0
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for number, entry in enumerate(read_messages(memoryview(content), METADATA_PROPS)):
        total += len(entry)
        if number >= MOST_ENTRIES or total > MOST_BYTES:
            raise ValueError(f"more than {MOST_ENTRIES} entries, or {MOST_BYTES >> 20} MiB of them")
        found[read_text(entry, KEY)] = read_text(entry, VALUE)
    return found
