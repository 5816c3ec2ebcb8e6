"""The table that Ultralytics networks end in (https://github.com/ultralytics/ultralytics; YOLOv8: Jocher et al. 2023),
and those that took over its layout: YOLOv5u, YOLOv8, v9, 11, 12 (raw); YOLOv10, YOLO26 (no suppression needed); and all
of them exported with ``nms=True``.

There are two layouts. ``raw`` is ``(n, 4 + classes + extra, anchors)``: x, y of the box centre, width, height; class
probabilities; what the head adds (mask coefficients, points, an angle). ``records`` is ``(n, k, 6 + extra)``: left,
top, right, bottom; confidence; class; the same extras; rows of zeros fill it up. Turned boxes are centre and size in
both.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vedette_cnn.decoders.boxes import DetectorParams, Fraction, Some, suppress
from vedette_cnn.decoders.raw import Floats, Raw

BOX = slice(0, 4)
CONFIDENCE, CLASS, EXTRA = 4, 5, 6
"""Columns of a record."""


class HeadParams(DetectorParams, frozen=True, kw_only=True):
    """Parameters, besides those of every detector.

    Attributes
    ----------
    output
        Name of the table; ``None``: the only output of three axes.
    layout
        ``raw``: one column per anchor, still to be suppressed; ``records``: rows of finished boxes, from a network that
        needs no suppression or has it in its graph.
    unit
        What boxes and points count: ``pixels`` of the input, or ``fraction`` of its sides (TFLite exports).
    iou_threshold
        Of two boxes that overlap more, the less confident one is left out. For ``raw`` only.
    class_agnostic
        Suppress across classes, not only within each. For ``raw`` only.
    """

    confidence_threshold: Fraction = 0.25
    output: str | None = None
    layout: Literal["raw", "records"] = "raw"
    unit: Literal["pixels", "fraction"] = "pixels"
    iou_threshold: Fraction = 0.7
    class_agnostic: bool = False

    @property
    def unit_wh(self) -> NDArray[np.float32]:
        """``(2,)``: pixels of the input per unit of x and y."""
        return np.array(self.input_wh if self.unit == "fraction" else (1, 1), np.float32)


class Entries(NamedTuple):
    """Entries of the table that are confident enough. ``row (m,) intp``; ``box (m, 4) float32`` as the layout has it,
    in pixels of the input; ``confidence (m,) float32``; ``class_id (m,) intp``; ``extra (m, e) float32``, as stored."""

    row: NDArray[np.intp]
    box: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.intp]
    extra: NDArray[np.float32]


def read_entries(raw: Raw, params: HeadParams, n: int, extra: int, labels: tuple[str, ...]) -> Entries:
    """The entries whose confidence reaches the threshold; nothing is computed of the others.

    Raises
    ------
    ResultError
        The table does not fit ``params``, ``extra`` (columns that the head adds) or ``labels``, or holds NaN where it
        matters.
    """
    name = find_axes(raw, params.output, 3)
    table = raw.floats(name, (n, None, None))
    read = _raw if params.layout == "raw" else _records
    row, kept, confidence, class_id = read(raw, table, params, extra, labels)
    columns = kept.shape[1] - extra
    box = kept[:, BOX] * np.tile(params.unit_wh, 2)
    return Entries(row, box, confidence, class_id, kept[:, columns:])


def find_axes(raw: Raw, name: str | None, axes: int) -> str:
    """``name``, or else the name of the only output of so many axes."""
    if name is not None:
        return name
    fitting = [name for name, tensor in raw.outputs.items() if tensor.ndim == axes]
    return fitting[0] if len(fitting) == 1 else raw.find(None)[0]


_Kept = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]
"""Batch row, all columns, confidence and class of each entry."""


def _raw(raw: Raw, table: Floats, params: HeadParams, extra: int, labels: tuple[str, ...]) -> _Kept:
    classes = table.shape[1] - BOX.stop - extra
    raw.check_classes(classes, labels)
    scores = table[:, BOX.stop : BOX.stop + classes]
    best = scores.max(axis=1)
    raw.refuse_nan("a class probability", best)
    row, anchor = np.nonzero(best >= np.float32(params.confidence_threshold))
    kept = table[row, :, anchor].astype(np.float32, copy=False)
    class_id = kept[:, BOX.stop : BOX.stop + classes].argmax(axis=1)
    return row, kept, best[row, anchor].astype(np.float32, copy=False), class_id


def _records(raw: Raw, table: Floats, params: HeadParams, extra: int, labels: tuple[str, ...]) -> _Kept:
    if table.shape[2] != EXTRA + extra:
        raise raw.error(
            f"records have {table.shape[2]} columns, not {EXTRA + extra}",
            "set layout to raw if the axes are (n, columns, anchors), or use the decoder of this head",
        )
    confidence = table[..., CONFIDENCE]
    raw.refuse_nan("the confidence of a box", confidence)
    row, place = np.nonzero(confidence >= np.float32(params.confidence_threshold))
    kept = table[row, place].astype(np.float32, copy=False)
    return row, kept, kept[:, CONFIDENCE], _class_ids(raw, kept[:, CLASS], labels)


def _class_ids(raw: Raw, number: NDArray[np.float32], labels: tuple[str, ...]) -> NDArray[np.intp]:
    raw.refuse_nan("the class of a box", number)
    class_id = np.rint(number).astype(np.intp)
    if len(class_id) and class_id.min() < 0:
        raise raw.error(f"a box is of class {class_id.min()}")
    if labels and len(class_id) and class_id.max() >= len(labels):
        raise raw.error(
            f"a box is of class {class_id.max()}, but the bundle has {len(labels)} labels",
            "give one label per class, in the model's order",
        )
    return class_id


def upright(entries: Entries, params: HeadParams) -> NDArray[np.float32]:
    """The boxes as left, top, right, bottom."""
    return entries.box if params.layout == "records" else corners(entries.box)


def corners(xywh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Left, top, right, bottom of ``xywh (m, 4)``: centre and size."""
    half = xywh[:, 2:] / 2
    return np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], axis=1)


def suppressed(found: Some, params: HeadParams) -> Some:
    """What is left after suppression, where the graph has not done it."""
    if params.layout == "records":
        return found
    return suppress(found, params.iou_threshold, class_agnostic=params.class_agnostic)
