"""Results as pictures. The core draws nothing itself: the sink ``images`` does, whichever plugin brings it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vedette.bundle.samples import Picture
from vedette.decoding import image_decoder
from vedette.errors import BundleError
from vedette.frame import Encoded, Packed, Pixels, fourcc_of
from vedette.model.feeds import still
from vedette.packet import Packet, Ran
from vedette.registry import Registry
from vedette.results import Detections, Result
from vedette.vision.resample import resize

SINK = "images"
"""What draws: a sink with a parameter ``path``, the folder that it writes pictures to."""
PANEL = 480
"""Pixels of the longer side of a picture on a contact sheet."""
GAP = 44
"""Pixels between the pictures of a contact sheet, and around it: room for a title."""
_BACKGROUND = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """A picture file: its content, and what its name ends in (``.jpg``)."""

    data: bytes
    suffix: str

    def write(self, path: Path) -> None:
        """Write it, over what is there.

        Raises
        ------
        BundleError
            It cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.data)
        except OSError as error:
            raise BundleError(
                f"{path}: cannot be written: {error.strerror}", fix="give a folder that can (-o)"
            ) from None


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """A picture of a contact sheet. Those of a column have one title; ``confidence`` (0..1) stands behind it."""

    title: str
    confidence: float
    drawing: Drawing


def can_draw(registry: Registry) -> bool:
    """Whether an installed plugin draws results."""
    return SINK in registry.sinks


def draw(registry: Registry, pixels: Pixels, stage: str, result: Result) -> Drawing:
    """A picture with a result on it, as the sink ``images`` draws it.

    Raises
    ------
    VedetteError
        There is no such sink, or it failed.
    """
    spec = registry.sinks[SINK]
    frame = dataclasses.replace(still(pixels), stream="picture")
    with tempfile.TemporaryDirectory(prefix="vedette-check-") as folder:
        sink = spec.open(registry.convert_params(spec, {"path": folder}, f"sink {SINK}"))
        try:
            sink.write(Packet(frame=frame, outcome={stage: Ran(result)}))
        except BaseException:
            sink.abort()
            raise
        sink.close()
        (path,) = (path for path in Path(folder).rglob("*") if path.is_file())
        return Drawing(data=path.read_bytes(), suffix=path.suffix)


def contact_sheet(registry: Registry, rows: Sequence[Sequence[Panel]]) -> Drawing:
    """Drawings in rows, each with its title: a frame on which the panels are what was found. Panels of a column are
    frames of one colour.

    Raises
    ------
    VedetteError
        The sink ``images`` failed, or no plugin decodes what it writes.
    """
    pictures = [[_small(registry, panel.drawing) for panel in row] for row in rows]
    width = max(picture.shape[1] for row in pictures for picture in row) + GAP
    heights = [max(picture.shape[0] for picture in row) + GAP for row in pictures]
    size = sum(heights) + GAP, max(map(len, rows)) * width + GAP
    sheet = np.full((*size, 3), _BACKGROUND, np.uint8)
    boxes, class_id, confidence = [], [], []
    for number, row in enumerate(pictures):
        top = GAP + sum(heights[:number])
        for column, picture in enumerate(row):
            left = GAP + column * width
            bottom, right = top + picture.shape[0], left + picture.shape[1]
            sheet[top:bottom, left:right] = picture
            boxes.append((left, top, right, bottom))
            class_id.append(column)
            confidence.append(rows[number][column].confidence)
    titles = tuple(panel.title for panel in rows[0])
    found = Detections.of(boxes, confidence, class_id, labels=titles)
    return draw(registry, Packed("rgb", sheet), "sheet", found)


def _small(registry: Registry, drawing: Drawing) -> Picture:
    """The pixels of a drawing, made small enough for a panel."""
    decode = image_decoder(registry)
    pixels = decode(Encoded(fourcc_of(drawing.data), drawing.data, (0, 0)))
    picture = np.array(still(pixels).view("rgb"), np.uint8)
    height, width = picture.shape[:2]
    factor = min(1.0, PANEL / max(height, width))
    return resize(picture, (max(1, round(width * factor)), max(1, round(height * factor))), "area")
