"""Cutting pieces out of pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from kornia.geometry.transform import resize
from numpy.random import Generator
from torch.nn.functional import pad

from vedette_torch.augment.boxes import IGNORED, area, clip_boxes
from vedette_torch.example import Example

MIN_LEFT = 0.25
"""A box of which less than this share is left is not to be found any more."""


@dataclass(frozen=True, kw_only=True)
class PadCrop:
    """Moves the picture by up to ``padding`` pixels each way; what comes in has the value ``fill``, 0..255."""

    padding: int
    fill: float = 0.0
    min_left: float = MIN_LEFT

    def __call__(self, example: Example, rng: Generator) -> Example:
        x, y = rng.integers(0, 2 * self.padding + 1, 2) - self.padding
        return cut(example, (int(x), int(y)), example.size_wh, self.fill, self.min_left)


@dataclass(frozen=True, kw_only=True)
class CropAround:
    """Cuts ``size_wh`` out of a larger picture: with probability ``positive`` so that the middle of one of the boxes,
    drawn by chance, lies somewhere in it, else anywhere. Beyond the picture's edge it is filled with ``fill``,
    0..255. Boxes of which less than the share ``whole`` is left are neither to be found nor wrong to be found; those of
    which less than ``min_left`` is left are gone."""

    size_wh: tuple[int, int]
    positive: float = 0.9
    fill: float = 0.0
    min_left: float = MIN_LEFT
    whole: float = 0.0

    def __call__(self, example: Example, rng: Generator) -> Example:
        aimed, which = rng.random(2)
        within = rng.random(2)
        aims = example.xyxy[example.class_id != IGNORED]
        corner = []
        for axis in (0, 1):
            size, whole = self.size_wh[axis], example.size_wh[axis]
            if aimed < self.positive and len(aims):
                box = aims[int(which * len(aims))]
                start = float(box[axis] + box[axis + 2]) / 2 - within[axis] * size
            else:
                start = within[axis] * (whole - size)
            corner.append(round(min(max(start, 0.0), max(whole - size, 0))))
        return cut(example, (corner[0], corner[1]), self.size_wh, self.fill, self.min_left, self.whole)


@dataclass(frozen=True, kw_only=True)
class RandomCrop:
    """Cuts out a piece of ``area`` (share of the picture, from..to) and ``ratio`` (width / height, from..to) and
    resizes it to the size of the whole (Szegedy et al. 2014)."""

    area: tuple[float, float] = (0.3, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    min_left: float = MIN_LEFT

    def __call__(self, example: Example, rng: Generator) -> Example:
        w, h = example.size_wh
        share = rng.uniform(*self.area)
        root = float(torch.tensor(rng.uniform(*torch.tensor(self.ratio).log().tolist())).exp()) ** 0.5
        cut_w = min(max(round(w * share**0.5 * root), 1), w)
        cut_h = min(max(round(h * share**0.5 / root), 1), h)
        x, y = int(rng.integers(0, w - cut_w + 1)), int(rng.integers(0, h - cut_h + 1))
        piece = cut(example, (x, y), (cut_w, cut_h), 0.0, self.min_left)
        pixels = resize(piece.input[None], (h, w), antialias=True)[0]
        return replace(piece, input=pixels, xyxy=piece.xyxy * torch.tensor([w / cut_w, h / cut_h] * 2))


def cut(
    example: Example,
    corner_xy: tuple[int, int],
    size_wh: tuple[int, int],
    fill: float,
    min_left: float,
    whole: float = 0.0,
) -> Example:
    """The rectangle of ``size_wh`` whose top left pixel is ``corner_xy``, which may lie outside of the picture.

    Boxes of which less than the share ``whole`` of the area is left become
    :data:`~vedette_torch.augment.boxes.IGNORED`.
    """
    (x, y), (w, h), (width, height) = corner_xy, size_wh, example.size_wh
    beyond = (max(-x, 0), max(x + w - width, 0), max(-y, 0), max(y + h - height, 0))
    pixels = pad(example.input, beyond, value=fill) if any(beyond) else example.input
    left, top = x + beyond[0], y + beyond[2]
    xyxy, kept = clip_boxes(example.xyxy - torch.tensor([x, y, x, y]), size_wh, min_left)
    fragment = area(xyxy) < whole * area(example.xyxy[kept])
    return replace(
        example,
        input=pixels[:, top : top + h, left : left + w],
        xyxy=xyxy,
        class_id=example.class_id[kept].masked_fill(fragment, IGNORED),
    )
