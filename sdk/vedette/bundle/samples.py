"""Pictures to record goldens from, where the user gave too few: made from theirs, or drawn from a seed.

They need not look like anything. They have to reach every weight with varied values, in several shapes, and be the same
on every machine; what a model says of real pictures is for real samples to tell.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vedette.frame import Packed, Pixels
from vedette.vision.accelerator import reference_only
from vedette.vision.resample import resize
from vedette.vision.views import render

Picture = NDArray[np.uint8]
"""``(h, w, 3) uint8``, RGB."""

LONGEST = 480
"""Pixels of the longer side of a picture that is made."""

_SIZES = ((320, 240), (240, 320), (400, 225), (256, 256), (480, 270), (200, 360), (300, 300), (160, 120))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A picture to record a golden from: its file and its pixels."""

    name: str
    data: bytes
    pixels: Pixels
    origin: Literal["sample", "derived", "synthetic"]

    def picture(self) -> Picture:
        """The pixels in full."""
        width, height = self.pixels.size_wh
        return render(self.pixels, 0, "rgb", (width, height), "nearest", (0, 0, width, height)).astype(
            np.uint8
        )


def make_up(pictures: Sequence[Picture], count: int) -> list[Sample]:
    """``count`` more samples: made of ``pictures``, or drawn if there are none. By numpy alone: the same everywhere."""
    origin: Literal["derived", "synthetic"] = "derived" if pictures else "synthetic"
    with reference_only():
        made = derive(pictures, count) if pictures else draw(count)
    return [
        Sample(
            name=f"{origin} picture {number}",
            data=encode_png(picture),
            pixels=Packed("rgb", picture),
            origin=origin,
        )
        for number, picture in enumerate(made)
    ]


def derive(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """``count`` variations of ``pictures``: each in turn mirrored, darkened, cut, ... by the next of the recipes."""
    small = [_shrink(picture) for picture in pictures]
    made = []
    for number in range(count):
        round_, which = divmod(number, len(small))
        recipe = _RECIPES[round_ % len(_RECIPES)]
        made.append(np.ascontiguousarray(recipe(small[which])))
    return made


def draw(count: int) -> list[Picture]:
    """``count`` pictures of smooth colours, rectangles, edges and grain, by the seed of their number."""
    return [_draw(number) for number in range(count)]


def encode_png(picture: Picture) -> bytes:
    """A PNG file (W3C, third edition): 8-bit RGB, not interlaced, each row as the difference to the one above."""
    height, width, _ = picture.shape
    rows = picture.reshape(height, width * 3)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])  # filter type 2, "up", modulo 256
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _shrink(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    size_wh = max(1, round(width * factor)), max(1, round(height * factor))
    return resize(picture, size_wh, "area")


def _cut(left: float, top: float, part: float) -> Callable[[Picture], Picture]:
    """Cut out ``part`` of both sides; where from is told relative to what is left over."""

    def cut(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        h, w = max(1, round(height * part)), max(1, round(width * part))
        y, x = round((height - h) * top), round((width - w) * left)
        return picture[y : y + h, x : x + w]

    return cut


def _levels(gain: float, offset: float) -> Callable[[Picture], Picture]:
    def change(picture: Picture) -> Picture:
        return _to_bytes(picture * gain + offset)

    return change


_RECIPES: tuple[Callable[[Picture], Picture], ...] = (
    lambda picture: picture[:, ::-1],
    _levels(0.5, 0),
    _cut(0.5, 0.5, 0.7),
    _levels(0.6, 90),
    _cut(0, 0, 0.6),
    lambda picture: picture[..., ::-1],
    _cut(1, 1, 0.5),
    lambda picture: picture[::-1],
)


def _draw(number: int) -> Picture:
    random = np.random.default_rng(number)
    width, height = _SIZES[number % len(_SIZES)]
    coarse = random.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    canvas = resize(coarse, (width, height), "bilinear").astype(np.float64)
    for _ in range(4 + 3 * (number % 3)):
        (x0, x1), (y0, y1) = (np.sort(random.integers(0, side, 2)) for side in (width, height))
        canvas[y0:y1, x0:x1] = random.integers(0, 256, 3)
    stripes = 127 * (np.arange(width) // (4 + number) % 2)
    canvas[: height // 4] = (canvas[: height // 4] + stripes[None, :, None]) / 2
    grain = random.integers(-12, 13, (height // 8, width // 2, 1)).repeat(2, 0).repeat(2, 1)
    canvas[: grain.shape[0], : grain.shape[1]] += grain
    return _to_bytes(canvas)


def _to_bytes(values: NDArray[np.floating[Any]]) -> Picture:
    whole: Picture = np.rint(values).clip(0, 255).astype(np.uint8)
    return whole
