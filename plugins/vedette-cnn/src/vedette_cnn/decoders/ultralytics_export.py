"""Recognise exports of Ultralytics, and of the repositories that share their layouts: by the metadata that the exporter
wrote, or else by the shape of the outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from vedette.specs import ModelFacts, Proposal, TensorInfo
from vedette_cnn.decoders.sight import Picture, axes_text, find_picture, normalised
from vedette_cnn.decoders.ultralytics_metadata import Export, read_export

Head = Literal["detect", "segment", "pose", "obb"]
Layout = Literal["raw", "records"]
Points = tuple[int, int]

STRIDES = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64))
"""Those of the networks, of their P2 and of their P6 variants."""
ANCHORS_PER_CELL = 3
"""YOLOv5."""
BOX, RECORD, OBJECTNESS = 4, 6, 1
"""Columns that are no class: of the raw table, of a record; and of YOLOv5, besides."""
PERSON = (17, 3)
"""Points of a person in COCO, and numbers per point."""
PUBLISHED: dict[int, Head] = {BOX + 80: "detect", BOX + 1 + 17 * 3: "pose", BOX + 15 + 1: "obb"}
"""Rows of the raw tables of the published weights: COCO, persons of COCO, DOTA."""
TASKS = {"detect": "detection", "segment": "detection", "pose": "keypoints", "obb": "detection"}

LETTERBOX = {"resize": "letterbox", "anchor": "center", "kernel": "bilinear", "pad": [114]}
"""Of detectors of every kind."""
CENTRE_CROP = {"resize": "crop", "crop_fraction": 1.0, "kernel": "bilinear_antialias"}
"""Of classifiers: the shorter side to the size of the input by Pillow, then its centre."""


class Outline(NamedTuple):
    """What a network takes and gives.

    ``image``: what is known of the picture. ``size_wh``: of the picture, where it is fixed or the metadata tell it.
    ``channels_last``: of the picture, and then of prototypes too. ``table``: the output of three axes. ``prototypes``:
    of segmentation, the one of four.
    """

    image: dict[str, Any]
    size_wh: tuple[int, int] | None
    channels_last: bool
    table: TensorInfo
    prototypes: TensorInfo | None

    @property
    def coefficients(self) -> int | None:
        """Prototypes, each with a column in the table."""
        if self.prototypes is None:
            return 0
        return self.prototypes.shape[3 if self.channels_last else 1]


def recognise(head: Head, facts: ModelFacts) -> Iterator[Proposal]:
    """How the decoder of ``head`` could read the model."""
    export = read_export(facts.metadata)
    outline = _outline(facts, export)
    if outline is None or (outline.prototypes is not None) != (head == "segment"):
        return
    if export is not None:
        yield from _stated(head, facts, outline, export)
    else:
        yield from _guessed(head, facts, outline)


def recognise_classifier(facts: ModelFacts) -> Iterator[Proposal]:
    """How the decoder ``classification`` could read the model: these networks give probabilities."""
    export = read_export(facts.metadata)
    picture = find_picture(facts)
    outputs = list(facts.outputs.values())
    if export is None or export.task != "classify" or picture is None or len(outputs) != 1:
        return
    classes = len(export.labels)
    if len(outputs[0].shape) != 2 or outputs[0].shape[1] not in (None, classes):
        return
    size = _size(picture, export)
    square = size is None or size[0] == size[1]
    fields = CENTRE_CROP if square else {"resize": "stretch", "kernel": CENTRE_CROP["kernel"]}
    yield Proposal(
        task="classification",
        params={"activation": "none"},
        image={**_image(picture, "rgb", size), **fields},
        labels=export.labels,
        stated=True,
        why=_why(export, f"task classify, {classes} classes"),
    )


def recognise_yolov5(facts: ModelFacts) -> Iterator[Proposal]:
    """How the decoder ``yolov5`` could read the model."""
    export = read_export(facts.metadata)
    outline = _outline(facts, export)
    if outline is None or outline.prototypes is not None or (export is not None and export.task is not None):
        return
    columns = outline.table.shape[2]
    if columns is None or columns <= BOX + OBJECTNESS:
        return
    classes = columns - BOX - OBJECTNESS
    if not _has_three_anchors_per_cell(outline) or (export is not None and classes != len(export.labels)):
        return
    what = f"{axes_text(outline.table)} is boxes, objectness and {classes} classes of 3 anchors per cell"
    yield Proposal(
        task="detection",
        params={"unit": "fraction"} if facts.format == "tflite" else {},
        image=outline.image,
        labels=_fitting(facts, classes) if export is None else export.labels,
        stated=export is not None,
        why=what if export is None else _why(export, f"{classes} classes and objectness"),
    )


# --- by metadata --------------------------------------------------------------------------------------------------


def _stated(head: Head, facts: ModelFacts, outline: Outline, export: Export) -> Iterator[Proposal]:
    """Where the metadata name no task (an IR without its ``metadata.yaml``, the repository of YOLOv9), the columns that
    are left besides the classes tell it. What they say of suppression was not always written: the axes tell it."""
    if export.head == "RTDETRDecoder" or export.task not in (head, None):
        return
    classes = len(export.labels)
    objectness = outline.table.shape[2] == BOX + OBJECTNESS + classes and _has_three_anchors_per_cell(outline)
    if export.task is None and objectness:
        return  # YOLOv5
    points = _points(outline, export) if head == "pose" else None
    extra = _extra(head, outline, points)
    if extra is None:
        return
    _, rows, columns = outline.table.shape
    if columns == RECORD + extra:
        layout: Layout = "records"
    elif rows == BOX + classes + extra:
        layout = "raw"
    else:
        return
    finished = ", suppressed in the graph" if layout == "records" else ""
    why = _why(export, f"task {head}, {classes} classes{finished}")
    yield _proposal(head, facts, outline, layout, points, labels=export.labels, stated=True, why=why)


def _extra(head: Head, outline: Outline, points: Points | None) -> int | None:
    """Columns of the table behind the classes, if the other outputs and the metadata tell it."""
    match head:
        case "detect":
            return 0
        case "obb":
            return 1
        case "segment":
            return outline.coefficients
        case "pose":
            return None if points is None else points[0] * points[1]


def _points(outline: Outline, export: Export) -> Points | None:
    """How many points there are, and numbers per point; where the metadata do not tell it, the table has more entries
    than columns, and these are mostly of three numbers."""
    if export.points is not None:
        return export.points if export.points[1] in (2, 3) else None
    _, rows, columns = outline.table.shape
    if rows is None or columns is None:
        return None
    extra = rows - BOX - len(export.labels) if rows < columns else columns - RECORD
    values = next((values for values in (3, 2) if extra > 1 and extra % values == 0), None)
    return None if values is None else (extra // values, values)


# --- by shape -----------------------------------------------------------------------------------------------------


def _guessed(head: Head, facts: ModelFacts, outline: Outline) -> Iterator[Proposal]:
    """A raw table has a column per cell of the feature maps; records have 6 columns and few extras."""
    points = PERSON if head == "pose" else None
    extra = _extra(head, outline, points)
    _, rows, columns = outline.table.shape
    if rows is None or columns is None or extra is None:
        return
    classes = rows - BOX - extra
    if columns in _cell_counts(outline.size_wh) and classes >= 1:
        if not _is_likely(head, rows, classes, facts):
            return
        what = f"{axes_text(outline.table)} is {classes} classes on the cells of the input, read as {head}"
        yield _proposal(head, facts, outline, "raw", points, labels=_fitting(facts, classes), why=what)
    elif columns == RECORD + extra and rows > columns:
        what = f"{axes_text(outline.table)} is records of box, confidence and class, read as {head}"
        yield _proposal(head, facts, outline, "records", points, labels=facts.labels, why=what)


def _is_likely(head: Head, rows: int, classes: int, facts: ModelFacts) -> bool:
    """The same number of rows can be classes, and extras of another head: labels tell it, or the published weights."""
    if facts.labels:
        return classes == len(facts.labels)
    if head == "segment":
        return True
    return head == PUBLISHED[rows] if rows in PUBLISHED else head != "pose"


def _has_three_anchors_per_cell(outline: Outline) -> bool:
    rows = outline.table.shape[1]
    return rows is not None and rows in {ANCHORS_PER_CELL * count for count in _cell_counts(outline.size_wh)}


def _cell_counts(size_wh: tuple[int, int] | None) -> set[int]:
    """Cells of all feature maps together, for each set of strides."""
    if size_wh is None:
        return set()
    w, h = size_wh
    return {sum(-(-w // stride) * -(-h // stride) for stride in strides) for strides in STRIDES}


def _fitting(facts: ModelFacts, classes: int) -> tuple[str, ...]:
    return facts.labels if len(facts.labels) == classes else ()


# --- both ---------------------------------------------------------------------------------------------------------


def _proposal(
    head: Head,
    facts: ModelFacts,
    outline: Outline,
    layout: Layout,
    points: Points | None,
    *,
    labels: tuple[str, ...],
    why: str,
    stated: bool = False,
) -> Proposal:
    params: dict[str, Any] = {"layout": layout}
    if facts.format == "tflite" and (layout == "raw" or outline.channels_last):
        params["unit"] = "fraction"
    if points is not None:
        params |= {"points": points[0], "point_values": points[1]}
    if outline.prototypes is not None and outline.channels_last:
        params["prototype_layout"] = "nhwc"
    return Proposal(
        task=TASKS[head],
        params=params,
        image=outline.image,
        labels=labels,
        rows=(outline.table.name,) if layout == "records" else (),
        stated=stated,
        why=why,
    )


def _outline(facts: ModelFacts, export: Export | None) -> Outline | None:
    coloured = find_picture(facts)
    picture = coloured or find_picture(facts, channels=1)
    tables = [info for info in facts.outputs.values() if len(info.shape) == 3]
    others = [info for info in facts.outputs.values() if len(info.shape) != 3]
    if picture is None or len(tables) != 1 or len(others) > 1 or any(len(info.shape) != 4 for info in others):
        return None
    (tensor,) = facts.inputs.values()
    size = _size(picture, export)
    return Outline(
        image={**_image(picture, "rgb" if coloured else "gray", size), **LETTERBOX},
        size_wh=size,
        channels_last=tensor.shape[1] not in (1, 3),
        table=tables[0],
        prototypes=others[0] if others else None,
    )


def _size(picture: Picture, export: Export | None) -> tuple[int, int] | None:
    if picture.width is not None and picture.height is not None:
        return picture.width, picture.height
    return None if export is None else export.size_wh


def _image(picture: Picture, colour: str, size: tuple[int, int] | None) -> dict[str, Any]:
    return {
        "colour": colour,
        **normalised(picture, 0, 255),
        **({} if size is None else {"size_wh": size}),
    }


def _why(export: Export, what: str) -> str:
    version = f" {export.version}" if export.version else ""
    return f"metadata of Ultralytics{version}: {what}"
