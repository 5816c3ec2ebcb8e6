"""What models say, as columns: one object per frame and stage, one array per property, one row per finding.

Boxes and points are pixels of the original frame (see :mod:`vedette.frame`). Every result has

``source``
    the stage whose rows were looked at, or ``"frame"`` where the whole frame was;
``source_row (n,) int32``
    the row of ``source`` that each row belongs to: what a later stage says of a crop joins back to its box.

No finding is a result with zero rows, never ``None``. Columns are checked when a result is made
(dtype, shape, equal length) and are read-only afterwards.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ResultError


@dataclass(frozen=True, slots=True)
class Column:
    """Dtype and shape of a column; ``"n"`` is the number of rows, ``None`` any length, any other word a length that is
    the same wherever the word stands in the type's columns."""

    dtype: type[np.generic]
    shape: tuple[int | str | None, ...] = ("n",)
    optional: bool = False


SOURCE_ROW = Column(np.int32)
"""The column that every result has."""

_MOST_BYTES = 1 << 28
"""No column of packed bytes is larger when it is read: a few bytes can unpack to a thousand times as many."""

_WHOLE_FRAME = np.zeros(0, np.int32)
"""Stands for a ``source_row`` that was not given: all rows belong to row 0 of the source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Base of all results. A subclass names its columns in :attr:`columns` and its JSON name in :attr:`type`."""

    type: ClassVar[str]
    columns: ClassVar[Mapping[str, Column]]

    source: str = "frame"
    source_row: NDArray[np.int32] = field(default_factory=lambda: _WHOLE_FRAME)
    labels: tuple[str, ...] = ()
    """Names of the classes, by ``class_id``; empty where the model has none."""

    def __post_init__(self) -> None:
        lengths: dict[str, int] = {"n": self._rows()}
        if self.source_row is _WHOLE_FRAME:
            object.__setattr__(self, "source_row", np.zeros(lengths["n"], np.int32))
        self._check("source_row", SOURCE_ROW, lengths)
        for name, column in self.columns.items():
            self._check(name, column, lengths)

    def __len__(self) -> int:
        return self._rows()

    @classmethod
    def empty(cls, labels: tuple[str, ...] = ()) -> Self:
        """The result that says "looked, found nothing": zero rows, free lengths 0.

        >>> Detections.empty().xyxy.shape
        (0, 4)
        """
        zero: dict[str, Any] = {
            name: np.zeros([size if isinstance(size, int) else 0 for size in column.shape], column.dtype)
            for name, column in cls.columns.items()
            if not column.optional
        }
        return cls(labels=labels, **zero)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The same result with only ``rows`` (a mask or indices) kept.

        >>> two = Detections.of([[0, 0, 2, 2], [1, 1, 3, 3]], [0.9, 0.2], [0, 1])
        >>> two.select(two.confidence > 0.5).class_id
        array([0], dtype=int32)
        """
        kept: dict[str, Any] = {"source_row": self.source_row[rows]}
        for name in self.columns:
            value = getattr(self, name)
            kept[name] = None if value is None else value[rows]
        return replace(self, **kept)

    def owned(self) -> Self:
        """The same with every column that is a view of other memory copied."""
        views = {
            name: value.copy()
            for name in ("source_row", *self.columns)
            if (value := getattr(self, name)) is not None and value.base is not None
        }
        return replace(self, **views) if views else self

    def to_builtins(self) -> dict[str, Any]:
        """Plain lists and numbers, ready for JSON; columns that are None and empty labels are left out. Columns of
        ``uint8`` hold pictures and become ``{"shape": [n, h, w], "zlib": "..."}``: the bytes in the order of memory,
        compressed, in base64.

        :func:`from_builtins` reverses it exactly, but for what lists cannot hold: of zero rows the lengths of the other
        axes (``(0, 128)`` comes back as ``(0, 0)``).
        """
        plain: dict[str, Any] = {"type": self.type}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                plain[item.name] = _packed(value) if value.dtype == np.uint8 else value.tolist()
            elif value is not None and value != ():
                plain[item.name] = list(value) if isinstance(value, tuple) else value
        return plain

    def _rows(self) -> int:
        first = getattr(self, next(iter(self.columns)))
        return len(first) if isinstance(first, np.ndarray) and first.ndim else 0

    def _check(self, name: str, column: Column, lengths: dict[str, int]) -> None:
        """Raise unless the column fits. ``lengths`` holds the named lengths met so far and gets the new ones."""
        value = getattr(self, name)
        if value is None and column.optional:
            return
        if not isinstance(value, np.ndarray):
            raise ResultError(f"{self.type}.{name} must be a numpy array, not {type_name(value)}")
        want = tuple(lengths.get(size) if isinstance(size, str) else size for size in column.shape)
        fits = len(value.shape) == len(want) and all(
            size is None or size == got for size, got in zip(want, value.shape, strict=True)
        )
        if value.dtype != column.dtype or not fits:
            shape = ", ".join("any" if size is None else str(size) for size in want)
            raise ResultError(
                f"{self.type}.{name} must be ({shape}) {np.dtype(column.dtype).name}, "
                f"not {value.shape} {value.dtype.name}"
            )
        named = zip(column.shape, value.shape, strict=True)
        lengths.update((size, got) for size, got in named if isinstance(size, str))
        value.flags.writeable = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections(Result):
    """Boxes. ``xyxy (n, 4) float32`` left, top, right, bottom in pixels; ``confidence (n,) float32`` 0..1;
    ``class_id (n,) int32``; ``track_id (n,) int64`` or None; ``points (n, k, 2) float32`` x, y of landmarks or None;
    ``point_confidence (n, k) float32`` 0..1 of each or None; ``masks (n, h, w) uint8`` or None: how much of each cell
    of a grid over the row's own box belongs to the object, 0..255."""

    type: ClassVar[str] = "detections"
    columns: ClassVar[Mapping[str, Column]] = {
        "xyxy": Column(np.float32, ("n", 4)),
        "confidence": Column(np.float32),
        "class_id": Column(np.int32),
        "track_id": Column(np.int64, optional=True),
        "points": Column(np.float32, ("n", "k", 2), optional=True),
        "point_confidence": Column(np.float32, ("n", "k"), optional=True),
        "masks": Column(np.uint8, ("n", None, None), optional=True),
    }

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    track_id: NDArray[np.int64] | None = None
    points: NDArray[np.float32] | None = None
    point_confidence: NDArray[np.float32] | None = None
    masks: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, xyxy: Any, confidence: Any, class_id: Any, **rest: Any) -> Self:
        """From anything array-like, copied and converted to the columns' dtypes; ``[]`` is no boxes."""
        boxes = np.array(xyxy, np.float32)
        return cls(
            xyxy=boxes.reshape(0, 4) if boxes.shape == (0,) else boxes,
            confidence=np.array(confidence, np.float32),
            class_id=np.array(class_id, np.int32),
            **rest,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Classification(Result):
    """The ``k`` best classes of each row, best first. ``class_id (n, k) int32``; ``confidence (n, k) float32`` 0..1."""

    type: ClassVar[str] = "classification"
    columns: ClassVar[Mapping[str, Column]] = {
        "class_id": Column(np.int32, ("n", "k")),
        "confidence": Column(np.float32, ("n", "k")),
    }

    class_id: NDArray[np.int32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Keypoints(Result):
    """Points on a body, a face, a hand. ``points (n, k, 2) float32`` x, y in pixels; ``confidence (n, k) float32``.
    ``labels`` are the names of the ``k`` points, in their order."""

    type: ClassVar[str] = "keypoints"
    columns: ClassVar[Mapping[str, Column]] = {
        "points": Column(np.float32, ("n", "k", 2)),
        "confidence": Column(np.float32, ("n", "k")),
    }

    points: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding(Result):
    """``vector (n, d) float32``, L2-normalised so that the dot product of two rows is their cosine."""

    type: ClassVar[str] = "embedding"
    columns: ClassVar[Mapping[str, Column]] = {"vector": Column(np.float32, ("n", None))}

    vector: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyMap(Result):
    """``score (n,) float32``, larger is more unusual; ``heat (n, h, w) float32``, the same per region of the row's
    rectangle ``xyxy (n, 4) float32`` in pixels."""

    type: ClassVar[str] = "anomaly"
    columns: ClassVar[Mapping[str, Column]] = {
        "score": Column(np.float32),
        "heat": Column(np.float32, ("n", None, None)),
        "xyxy": Column(np.float32, ("n", 4)),
    }

    score: NDArray[np.float32]
    heat: NDArray[np.float32]
    xyxy: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipPrediction(Result):
    """What happens in a window of time: the ``k`` best classes, best first, and the window's ends on the medium's or
    else the monotonic clock. ``class_id (n, k) int32``, ``confidence (n, k) float32``, ``window_ns (n, 2) int64``."""

    type: ClassVar[str] = "clip"
    columns: ClassVar[Mapping[str, Column]] = {
        "class_id": Column(np.int32, ("n", "k")),
        "confidence": Column(np.float32, ("n", "k")),
        "window_ns": Column(np.int64, ("n", 2)),
    }

    class_id: NDArray[np.int32]
    confidence: NDArray[np.float32]
    window_ns: NDArray[np.int64]


RESULT_TYPES: tuple[type[Result], ...] = (
    Detections,
    Classification,
    Keypoints,
    Embedding,
    AnomalyMap,
    ClipPrediction,
)
"""The result types of the core; plugins add theirs through ``vedette_results``."""


def from_builtins(plain: Mapping[str, Any], types: tuple[type[Result], ...] = RESULT_TYPES) -> Result:
    """Reverse of :meth:`Result.to_builtins`.

    Raises
    ------
    ResultError
        The type is not one of ``types``, or a column is missing, unknown or does not fit.
    """
    known = {item.type: item for item in types}
    kind = plain.get("type")
    cls = known.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ResultError(f"result type {kind!r} is not known", fix=f"known are: {', '.join(known)}")
    unknown = plain.keys() - {item.name for item in fields(cls)} - {"type"}
    if unknown:
        raise ResultError(f"{cls.type} has no column {min(unknown)!r}")
    if not isinstance(plain.get("source", ""), str):
        raise ResultError(f"{cls.type}.source must be a string, not {plain['source']!r}")
    labels = plain.get("labels", [])
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        raise ResultError(f"{cls.type}.labels must be a list of strings")
    columns = {"source_row": SOURCE_ROW, **cls.columns}
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name in columns and value is not None:
            values[name] = _array(f"{cls.type}.{name}", value, columns[name])
        elif name not in columns and name != "type":
            values[name] = tuple(value) if isinstance(value, list) else value
    missing = [name for name, column in cls.columns.items() if not column.optional and name not in values]
    if missing:
        raise ResultError(f"{cls.type} lacks the column {missing[0]!r}")
    return cls(**values)


def _array(name: str, value: Any, column: Column) -> NDArray[Any]:
    """``value``, nested lists of numbers, as the column's dtype; what would lose its value is refused."""
    if column.dtype is np.uint8 and isinstance(value, Mapping):
        return _unpacked(name, value)
    try:
        raw = np.asarray(value)
        if raw.size and raw.dtype.kind not in ("iu" if np.issubdtype(column.dtype, np.integer) else "iufO"):
            raise TypeError(f"it holds {raw.dtype.name}")
        array = np.asarray(value, column.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ResultError(f"{name} is not a column of {np.dtype(column.dtype).name}: {error}") from None
    if array.size == 0:  # empty lists lose the lengths of the axes below them
        below = column.shape[array.ndim :]
        array = array.reshape(*array.shape, *(size if isinstance(size, int) else 0 for size in below))
    return array


def _packed(column: NDArray[np.uint8]) -> dict[str, Any]:
    content = zlib.compress(np.ascontiguousarray(column).tobytes())
    return {"shape": list(column.shape), "zlib": base64.b64encode(content).decode()}


def _unpacked(name: str, value: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Reverse of :func:`_packed`. No more is unpacked than the shape needs."""
    shape, text = value.get("shape"), value.get("zlib")
    whole = isinstance(shape, list) and all(type(size) is int and 0 <= size < 2**31 for size in shape)
    if not whole or not isinstance(shape, list) or not isinstance(text, str):
        raise ResultError(f"{name} needs a shape, and zlib, a text")
    size = math.prod(shape)
    if size > _MOST_BYTES:
        raise ResultError(f"{name} of shape {tuple(shape)} is larger than {_MOST_BYTES >> 20} MiB")
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error) as error:
        raise ResultError(f"{name} is not compressed bytes in base64: {error}") from None
    if len(content) != size:
        raise ResultError(f"{name} does not hold the {size} bytes that its shape {tuple(shape)} needs")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def type_name(value: object) -> str:
    """``module.Class`` of a value, for messages."""
    cls = value.__class__
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
