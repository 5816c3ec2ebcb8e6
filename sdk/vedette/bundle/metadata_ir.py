"""``rt_info`` of an OpenVINO IR: what its exporter says of the whole model, as OTX and Model API write it."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

MOST_ENTRIES, MOST_CHARACTERS, DEEPEST = 4096, 4 << 20, 16
ROOT = ["net", "rt_info"]


def read_rt_info(path: Path) -> dict[str, str]:
    """The entries of the model's own ``rt_info``, text by name: ``/`` stands between the levels, as in
    ``model_info/labels``. Those of single layers are left out.

    Raises
    ------
    ValueError
        The file is no XML, declares a document type (entities could make it grow), or there are more than 4096
        entries, 4 Mi characters or 16 levels of them.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise ValueError(f"it is not XML: {error}") from None
    return reader.found


class _Reader:
    """Follows the parser down to ``/net/rt_info`` and takes what is said there."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []
        self._characters = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if self._path[: len(ROOT)] != ROOT or "value" not in attributes:
            return
        key, value = "/".join(self._path[len(ROOT) :]), attributes["value"]
        self._characters += len(key) + len(value)
        if len(self._path) > DEEPEST or len(self.found) >= MOST_ENTRIES or self._characters > MOST_CHARACTERS:
            raise ValueError(
                f"rt_info has more than {MOST_ENTRIES} entries, {MOST_CHARACTERS:,} characters or {DEEPEST} levels"
            )
        self.found[key] = value

    def end(self, name: str) -> None:
        self._path.pop()

    def refuse_doctype(self, *declaration: object) -> None:
        raise ValueError("it declares a document type, which no IR does")
