"""Pictures of mistakes, small, inside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.samples import encode_png
from vedette.errors import VedetteError
from vedette.frame import Decode, Frame
from vedette_torch.data.pictures import read_frame
from vedette_torch.report.markup import Markup, tag
from vedette_torch.report.mistakes import Mistake, Seen

LONGEST = 320
"""Pixels of the longer side of a picture with boxes; without, half of it."""


Saliency = Callable[[Frame, int], NDArray[np.uint8]]
"""Where a model looks for what it says of a picture: ``(h, w, 3)`` RGB, the picture under its map, of at most as many
pixels on its longer side as are given."""


NAMED = 10
"""Boxes that are wrong in a picture up to which they bear their names; more would hide it."""


def figures(mistakes: Sequence[Mistake], decode: Decode, saliency: Saliency | None) -> Markup:
    """Each mistake with its picture and, where ``saliency`` is given, with where the model looked beside it."""
    return tag("div", [_figure(mistake, decode, saliency) for mistake in mistakes], class_="mistakes")


def _figure(mistake: Mistake, decode: Decode, saliency: Saliency | None) -> Markup:
    frame = read_frame(mistake.path, decode)
    pictures = [_picture(frame, mistake)]
    problem = None
    if saliency is not None and not mistake.boxes:
        try:
            pictures.append(_image(saliency(frame, LONGEST // 2), "where the model looked"))
        except VedetteError as error:
            problem = tag("span", f"no saliency: {error.message}", class_="file")
    name = tag("span", "/".join(mistake.path.parts[-2:]), class_="file")
    return tag("figure", tag("div", pictures, class_="pair"), tag("figcaption", mistake.says, name, problem))


def _picture(frame: Frame, mistake: Mistake) -> Markup:
    size_wh = _small(frame.size_wh, LONGEST if mistake.boxes else LONGEST // 2)
    pixels = frame.view("rgb", size_wh, "area").astype(np.uint8)
    image = _image(pixels, mistake.says)
    if not mistake.boxes:
        return image
    width, height = frame.size_wh
    named = sum(box.wrong for box in mistake.boxes) <= NAMED
    return tag(
        "div",
        image,
        tag(
            "svg",
            [
                _box(box, height / size_wh[1], named)
                for box in sorted(mistake.boxes, key=lambda box: box.wrong)
            ],
            viewBox=f"0 0 {width} {height}",
            class_="over",
            aria_hidden=True,
        ),
        class_="boxed",
    )


def _image(pixels: NDArray[np.uint8], says: str) -> Markup:
    height, width = pixels.shape[:2]
    source = f"data:image/png;base64,{base64.b64encode(encode_png(pixels)).decode()}"
    tiny = "tiny" if max(width, height) < LONGEST // 4 else None
    return tag("img", src=source, alt=says, width=width, height=height, class_=tiny, loading="lazy")


def _small(size_wh: tuple[int, int], longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(size_wh))
    width, height = (max(1, round(side * factor)) for side in size_wh)
    return width, height


def _box(box: Seen, unit: float, named: bool) -> Markup:
    """``unit``: pixels of the picture to one of the page."""
    x0, y0, x1, y1 = box.xyxy
    kind = ("missed" if box.wrong else "real") if box.real else ("extra" if box.wrong else "found")
    confidence = "" if box.confidence is None else f" {box.confidence:.2f}"
    word = tag(
        "text",
        f"{box.label}{confidence}",
        x=x0 + 2 * unit,
        y=max(y0 - 3 * unit, 10 * unit),
        font_size=11 * unit,
    )
    return tag(
        "g",
        tag("rect", x=x0, y=y0, width=max(x1 - x0, 0.0), height=max(y1 - y0, 0.0)),
        word if box.wrong and named else None,
        class_=kind,
    )
