"""What an ONNX file reads besides itself, found before a runtime does.

Tensors of an ONNX file may lie in other files, named by paths in its ``external_data`` entries. A runtime follows them:
to any file that it may read, and ONNX Runtime even to an address in memory (``*/_ORT_MEM_ADDR_/*``). In a bundle they
may lead to files of the same graph and nowhere else, because only those were compared with their hashes.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vedette.bundle.manifest import GraphFiles
from vedette.bundle.protobuf import MalformedError, Message, read_fields, read_text

_LOCATION = "location"
_ENTRY = "StringStringEntryProto"
_PARTS = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: _ENTRY},
}
"""Every field of ``onnx.proto`` that leads to a tensor, by message and number."""

_MAX_DEPTH = 100
"""As in protobuf itself."""
_MAX_ENTRY = 1 << 16
_MAX_FIELDS = 2_000_000
"""A network of 100,000 nodes has half as many."""


def reference_problem(model: Path, name: str, entry: GraphFiles) -> str | None:
    """How a model file refers to something else than the files of its graph; ``None`` if it does not.

    Runtimes go by what a file holds and not by its name: OpenVINO reads ONNX from an ``.xml``. So the formats that do
    not refer to other files must show that they are what they say.

    Parameters
    ----------
    model, name
        Where the first file of the graph lies, and its name in the bundle.
    """
    try:
        if not _begins_like(model, entry.format):
            return f"{name!r} is not a file of the format {entry.format}"
        locations = external_locations(model)
    except MalformedError as error:
        return f"{name!r} is not an ONNX file: {error}" if entry.format == "onnx" else None
    except OSError as error:
        return f"{name!r} cannot be read: {error.strerror}"
    folder = PurePosixPath(name).parent
    for location in locations:
        if str(folder / location) not in entry.files:
            return f"{name!r} keeps weights in {location[:200]!r}, which is no file of this graph"
    return None


def _begins_like(model: Path, model_format: str) -> bool:
    """Whether an IR is XML (which no ONNX file begins like) and a TensorFlow Lite file has its mark."""
    with model.open("rb") as file:
        head = file.read(8)
    return {"openvino": head[:1] == b"<", "tflite": head[4:] == b"TFL3"}.get(model_format, True)


def external_locations(model: Path) -> list[str]:
    """The paths of other files in an ONNX file, as they are written there. An empty file has none.

    Raises
    ------
    MalformedError
        It is no ONNX file, or too deep or too large to be one.
    """
    with model.open("rb") as file:
        if not file.read(1):
            return []
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if content.find(_LOCATION.encode()) < 0:  # as in most files; strings are stored as they are
        return []
    entries = _entries(memoryview(content), "ModelProto", 0, itertools.count(1))
    return [read_text(entry, 2) for entry in entries if read_text(entry, 1) == _LOCATION]


def _entries(message: Message, kind: str, depth: int, fields: Iterator[int]) -> Iterator[Message]:
    if depth > _MAX_DEPTH:
        raise MalformedError(f"it is nested more than {_MAX_DEPTH} deep")
    parts = _PARTS[kind]
    for number, value, _ in read_fields(message):
        if next(fields) > _MAX_FIELDS:
            raise MalformedError(f"it has more than {_MAX_FIELDS:,} fields")
        part = parts.get(number)
        if part is None or isinstance(value, int):
            continue
        if part == _ENTRY:
            if len(value) > _MAX_ENTRY:
                raise MalformedError(f"it has an entry of {len(value):,} bytes for a path")
            yield value
        else:
            yield from _entries(value, part, depth + 1, fields)
