"""What the exporter of Ultralytics writes into a model file: one entry per key, the value as Python or JSON text.

ONNX has it in ``metadata_props``, TFLite in an appended archive, an OpenVINO IR in ``metadata.yaml`` beside it and, in
part, in ``rt_info``. The repository of YOLOv5 writes ``stride`` and ``names`` alone.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_CHARACTERS = 1 << 20
"""A longer text is no list of names: 21 000 of them take half of it."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """Metadata of an export, as far as it is there.

    ``labels``: names in the order of the classes. ``version``: of the exporter. ``task``: ``detect``, ``segment``,
    ``pose``, ``obb``, ``classify`` or another. ``size_wh``: of the input. ``points``: how many there are per box, and
    numbers per point. ``head``: the class of the last layer.
    """

    labels: tuple[str, ...]
    version: str = ""
    task: str | None = None
    size_wh: tuple[int, int] | None = None
    points: tuple[int, int] | None = None
    head: str = ""


def read_export(metadata: Mapping[str, str]) -> Export | None:
    """The metadata of such an export, or ``None`` where it is that of something else, or damaged."""
    if metadata.get("model_info/model_type") == "YOLO" and "names" not in metadata:
        return Export(labels=tuple(metadata.get("model_info/labels", "").split()))
    if "stride" not in metadata or "names" not in metadata:
        return None
    labels = _labels(_literal(metadata["names"]))
    if not labels:
        return None
    size = _two(_literal(metadata.get("imgsz", "")))
    return Export(
        labels=labels,
        version=metadata.get("version", ""),
        task=metadata.get("task"),
        size_wh=None if size is None else (size[1], size[0]),
        points=_two(_literal(metadata.get("kpt_shape", ""))),
        head=metadata.get("head", ""),
    )


def _labels(names: Any) -> tuple[str, ...]:
    """In the order of the classes; empty unless there is one for each."""
    if isinstance(names, dict):
        by_class = {int(key): name for key, name in names.items() if str(key).isdecimal()}
        whole = len(by_class) == len(names) and set(by_class) == set(range(len(names)))
        names = [by_class[number] for number in range(len(names))] if whole else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _two(value: Any) -> tuple[int, int] | None:
    """Two positive numbers: from a pair, or one that stands for both."""
    pair = [value, value] if isinstance(value, int) else value
    fits = isinstance(pair, list | tuple) and len(pair) == 2 and all(type(n) is int and n > 0 for n in pair)
    return (pair[0], pair[1]) if fits else None


def _literal(text: str) -> Any:
    """The value that ``text`` writes down in Python or JSON; ``None`` if it does not."""
    if len(text) > MOST_CHARACTERS:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue  # too deeply nested is an error of memory or recursion
    return None
