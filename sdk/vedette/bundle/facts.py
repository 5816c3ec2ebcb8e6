"""What a model file tells of itself, read without a runtime: what its exporter wrote into it, and its class names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vedette.bundle.foreign import NAMES, ForeignModel
from vedette.bundle.metadata_beside import read_behind, read_beside
from vedette.bundle.metadata_ir import read_rt_info
from vedette.bundle.metadata_onnx import read_metadata_props
from vedette.bundle.metadata_tflite import read_labels, read_metadata
from vedette.errors import BundleError

Told = tuple[Mapping[str, str], tuple[str, ...]]
"""Metadata by name, and class names."""

_METADATA: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "onnx": read_metadata_props,
    "openvino": lambda path: {**read_rt_info(path), **read_beside(path)},
    "tflite": lambda path: {**read_metadata(path), **read_behind(path)},
    "saved_model": lambda path: read_beside(path / "saved_model.pb"),
}


def read_told(model: ForeignModel) -> Told:
    """What the file says of itself.

    Raises
    ------
    BundleError
        The file is not of its format, or damaged, or says more than a description can be.
    """
    read = _METADATA.get(model.format)
    try:
        labels = read_labels(model.model) if model.format == "tflite" else ()
        return read(model.model) if read else {}, labels
    except (ValueError, OSError) as error:
        raise BundleError(
            f"{model.model}: cannot be read as {NAMES[model.format]}: {error}",
            fix="the file is damaged or of another format: copy or export it again",
        ) from error
