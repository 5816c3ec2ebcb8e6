"""What an exporter says of a model in a file of its own, because the model's format has no place for it: Ultralytics'
``metadata.yaml`` beside an OpenVINO IR, and ``metadata.json`` in the archive behind a TensorFlow Lite file.

Nested values become JSON, so that each entry is one text, as in ONNX files.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20
YAML, JSON = "metadata.yaml", "metadata.json"
NEEDED = {"stride", "names"}
"""Without these it is somebody else's file."""

_ENTRY = re.compile(r"(?P<key>[^\s:'\"\[\]{}-][^:]*?):(?: (?P<value>.*))?")
_PLAIN = re.compile(r"[^\s'\"\[\]{}&*!|>%@`#,?:-].*|-?[0-9.].*")
"""A scalar that is not quoted and has no sign of YAML's in front."""
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+(e[+-][0-9]+)?)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def read_beside(model: Path) -> dict[str, str]:
    """The entries of ``metadata.yaml`` in the folder of a model, text by name; empty if it is not there, or another
    tool's.

    Raises
    ------
    ValueError
        It is larger than 1 MiB, or of a YAML that this exporter does not write.
    """
    path = model.with_name(YAML)
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    lines = _lines(content)
    if {line.partition(":")[0] for line in lines} >= NEEDED:
        return _text(dict(_entries(lines)))
    return {}


def read_behind(model: Path) -> dict[str, str]:
    """The entries of ``metadata.json`` among the associated files of a TensorFlow Lite model, likewise.

    Raises
    ------
    ValueError
        The archive is damaged, or the file is larger than 1 MiB or not of JSON.
    """
    if not zipfile.is_zipfile(model):
        return {}
    try:
        with zipfile.ZipFile(model) as archive:
            if JSON not in archive.namelist():
                return {}
            with archive.open(JSON) as file:
                content = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"its associated files are damaged: {error}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"its {JSON} is larger than {MOST_BYTES >> 20} MiB")
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError(f"its {JSON} is nested too deeply") from None
    return _text(found) if isinstance(found, dict) and found.keys() >= NEEDED else {}


def _text(entries: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}


def _lines(content: bytes) -> list[str]:
    if len(content) > MOST_BYTES:
        raise ValueError(f"the {YAML} beside it is larger than {MOST_BYTES >> 20} MiB")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"the {YAML} beside it is not UTF-8: {error}") from None
    return _joined(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _joined(lines: Iterator[str]) -> list[str]:
    """Long texts are written on several lines: those that go on are neither an entry nor an item."""
    whole: list[str] = []
    for line in lines:
        inner = line.strip()
        begins = not line.startswith(" ") or inner.startswith("- ") or _ENTRY.fullmatch(inner) is not None
        open_quote = bool(whole) and _is_open(whole[-1])
        if whole and (open_quote or not begins):
            whole[-1] += f" {inner}"
        else:
            whole.append(line.rstrip())
    return whole


def _is_open(line: str) -> bool:
    """Whether a quoted text begins in a line and does not end in it."""
    value = line.strip().removeprefix("- ")
    entry = _ENTRY.fullmatch(value)
    value = (entry["value"] or "") if entry else value
    quote = value[:1]
    if quote == "'":
        return value.count("'") % 2 == 1
    return quote == '"' and re.fullmatch(r'"(?:[^"\\]|\\.)*"', value) is None


def _entries(lines: list[str]) -> Iterator[tuple[str, Any]]:
    """The entries of the outermost level: a scalar, or a list or mapping of scalars below it."""
    position = 0
    while position < len(lines):
        key, value = _entry(lines[position])
        position += 1
        below = []
        while position < len(lines) and lines[position].startswith((" ", "- ")):
            below.append(lines[position].strip())
            position += 1
        if not below:
            yield key, _scalar(value)
        elif value:
            raise ValueError(f"the {YAML} beside it has a value and more below: {key!r}")
        elif all(item.startswith("- ") for item in below):
            yield key, [_scalar(item[2:]) for item in below]
        else:
            yield key, {name: _scalar(inner) for name, inner in map(_entry, below)}


def _entry(line: str) -> tuple[str, str]:
    match = _ENTRY.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"the {YAML} beside it has a line that is no entry: {line.strip()[:60]!r}")
    return match["key"], (match["value"] or "").strip()


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text in ("[]", "{}"):
        return json.loads(text)
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        return json.loads(text)
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"the {YAML} beside it has a value that is no text or number: {text[:60]!r}")
    return json.loads(text) if _NUMBER.fullmatch(text) else text
