"""What a TensorFlow Lite file tells besides its network: associated files, quantisation, normalisation.

Associated files are a zip archive behind the flatbuffer (https://ai.google.dev/edge/litert/conversion/tensorflow/metadata);
the tables are those of ``schema.fbs``, version 3, and of ``metadata_schema.fbs``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from vedette.bundle.flatbuffer import Table, read_root
from vedette.errors import BundleError

MOST_FILES, MOST_BYTES, MOST_TENSORS = 64, 1 << 20, 1024

MARK = b"TFL3"
SUBGRAPHS = 2
TENSORS, INPUTS, OUTPUTS = 0, 1, 2
NAME, QUANTISATION = 3, 4
SCALE, ZERO_POINT = 2, 3
BUFFERS, METADATA = 4, 6
METADATA_NAME, BUFFER = 0, 1
DATA = 0
SUBGRAPH_METADATA, INPUT_METADATA, PROCESS_UNITS = 3, 2, 4
OPTIONS_TYPE, OPTIONS, NORMALISATION = 0, 1, 1
MEAN, STD = 0, 1
"""Places of the fields in their tables."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The class names among the associated files: the only text file, or the only one with ``label`` in its name. A
    text file with ``meta`` in its name is a description of the model.

    Raises
    ------
    ValueError
        The archive is damaged, or too large for a list of names.
    """
    from vedette.bundle.bundle import parse_labels

    if not zipfile.is_zipfile(path):
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            name = _label_file(archive.namelist())
            if name is None:
                return ()
            with archive.open(name) as file:
                content = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(f"its associated files are damaged: {error}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"its associated file {name!r} is larger than {MOST_BYTES >> 20} MiB")
    try:
        return parse_labels(content, f"associated file {name!r}")
    except BundleError as error:
        raise ValueError(error.message) from None


def _label_file(names: list[str]) -> str | None:
    if len(names) > MOST_FILES:
        raise ValueError(f"it has more than {MOST_FILES} associated files")
    texts = [name for name in names if name.lower().endswith(".txt") and "meta" not in name.lower()]
    named = [name for name in texts if "label" in name.lower()]
    return next((group[0] for group in (texts, named) if len(group) == 1), None)


def read_metadata(path: Path) -> dict[str, str]:
    """What the file says of its inputs and outputs, by their names:

    ``quantisation/NAME`` is ``SCALE ZERO_POINT``, of one that is quantised as a whole: ``value = (stored - zero_point)
    * scale``. ``normalisation/NAME`` is ``MEANS SCALES``, each one number or one per channel with commas, of an input:
    ``value = (pixel - mean) / scale``, pixels 0..255.

    Raises
    ------
    ValueError
        The file is no flatbuffer of TensorFlow Lite, or damaged.
    """
    content = path.read_bytes()
    if content[4:8] != MARK:
        raise ValueError(f"it does not begin with the mark {MARK.decode()}")
    root, found = read_root(content), dict[str, str]()
    for subgraph in root.tables(SUBGRAPHS)[:1]:
        tensors = subgraph.tables(TENSORS)
        inputs, outputs = subgraph.integers(INPUTS, "i"), subgraph.integers(OUTPUTS, "i")
        if len(inputs + outputs) > MOST_TENSORS or not all(0 <= at < len(tensors) for at in inputs + outputs):
            raise ValueError("its inputs and outputs are not among its tensors")
        for index in inputs + outputs:
            if entry := _quantisation(tensors[index]):
                found[f"quantisation/{tensors[index].text(NAME)}"] = entry
        for index, entry in zip(inputs, _normalisations(root), strict=False):
            if entry:
                found[f"normalisation/{tensors[index].text(NAME)}"] = entry
    return found


def _quantisation(tensor: Table) -> str:
    table = tensor.table(QUANTISATION)
    if table is None:
        return ""
    scales, zeros = table.floats(SCALE), table.integers(ZERO_POINT, "q")
    return f"{scales[0]:.9g} {zeros[0]}" if len(scales) == len(zeros) == 1 else ""


def _normalisations(root: Table) -> Iterator[str]:
    """Of each input of the model in turn: how its pixels are normalised, empty where that is not told."""
    buffers = root.tables(BUFFERS)
    for entry in root.tables(METADATA):
        number = entry.number(BUFFER, "I")
        if entry.text(METADATA_NAME) != "TFLITE_METADATA" or number >= len(buffers):
            continue
        for subgraph in read_root(buffers[number].raw(DATA)).tables(SUBGRAPH_METADATA)[:1]:
            yield from map(_normalisation, subgraph.tables(INPUT_METADATA))


def _normalisation(tensor: Table) -> str:
    for unit in tensor.tables(PROCESS_UNITS):
        options = unit.table(OPTIONS)
        if unit.number(OPTIONS_TYPE, "B") == NORMALISATION and options is not None:
            figures = options.floats(MEAN), options.floats(STD)
            return " ".join(",".join(f"{value:.9g}" for value in values) for values in figures if values)
    return ""
