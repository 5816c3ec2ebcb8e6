"""What is often wrong about a model's picture input: each mistake as the same InputSpec with one thing changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from vedette.bundle.options import as_options
from vedette.specs import TensorInfo
from vedette.vision.spec import InputSpec

Kind = Literal["colour", "values", "layout", "size", "resize"]

SAME = 0.03
"""Two ways to normalise are taken as one if their values differ by less than this part of their range."""

_IMAGENET_MEAN: tuple[float, ...] = (123.675, 116.28, 103.53)
_IMAGENET_SCALE: tuple[float, ...] = (58.395, 57.12, 57.375)
"""Of red, green and blue, as torchvision normalises, times 255."""

_RESIZES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("letterbox, top left", {"resize": "letterbox", "anchor": "top_left"}),
    ("letterbox, centred", {"resize": "letterbox", "anchor": "center"}),
    ("stretch", {"resize": "stretch"}),
    ("crop of all that fits", {"resize": "crop", "crop_fraction": 1.0}),
    ("crop of 0.875", {"resize": "crop", "crop_fraction": 0.875}),
)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """The input with one thing changed.

    Attributes
    ----------
    title
        What is changed, for people: ``colour rgb instead of bgr``.
    options
        The same as options of ``vedette pack``.
    """

    kind: Kind
    title: str
    spec: InputSpec
    options: str


def alternatives(spec: InputSpec, tensor: TensorInfo) -> list[Alternative]:
    """Every common mistake that ``spec`` could be, undone. ``tensor`` is the model's own input, which all of them fit.

    * colour: red and blue exchanged;
    * values: 0..255 (the graph normalises by itself), 0..1, -1..1, by ImageNet's mean and deviation;
    * layout: ``nchw`` or ``nhwc``, where the tensor's axes leave both open;
    * size: width and height exchanged, where the tensor leaves them open;
    * resize: letterbox in both places, stretch, crop of the whole shorter side and of 0.875 of it.
    """
    found = [*_colours(spec), *_values(spec), *_layouts(spec), *_sizes(spec), *_resizes(spec)]
    return [item for item in found if _fits(item.spec, tensor)]


def _colours(spec: InputSpec) -> Iterator[Alternative]:
    if spec.colour != "gray":
        other = "bgr" if spec.colour == "rgb" else "rgb"
        yield _change(spec, "colour", f"colour {other} instead of {spec.colour}", colour=other)


def _values(spec: InputSpec) -> Iterator[Alternative]:
    if spec.dtype == "uint8":
        return
    n = spec.channels
    ways: list[tuple[str, tuple[float, ...], tuple[float, ...]]] = [
        ("values 0..255 (the graph normalises)", (0.0,) * n, (1.0,) * n),
        ("values 0..1", (0.0,) * n, (255.0,) * n),
        ("values -1..1", (127.5,) * n, (127.5,) * n),
    ]
    if n == 3:
        mean, scale = (
            value if spec.colour == "rgb" else value[::-1] for value in (_IMAGENET_MEAN, _IMAGENET_SCALE)
        )
        ways.append(("values by ImageNet's mean", mean, scale))
    for title, mean, scale in ways:
        if not _same_values(spec, mean, scale):
            yield _change(spec, "values", title, mean=mean, scale=scale)


def _same_values(spec: InputSpec, mean: tuple[float, ...], scale: tuple[float, ...]) -> bool:
    """Whether black and white come to nearly the same values either way."""
    pixels = np.array([[0.0], [255.0]])
    given = (pixels - np.array(spec.mean)) / np.array(spec.scale)
    other = (pixels - np.array(mean)) / np.array(scale)
    return bool(np.abs(given - other).max() < SAME * np.abs(np.ptp(given, axis=0)).max())


def _layouts(spec: InputSpec) -> Iterator[Alternative]:
    other = "nhwc" if spec.layout == "nchw" else "nchw"
    yield _change(spec, "layout", f"layout {other} instead of {spec.layout}", layout=other)


def _sizes(spec: InputSpec) -> Iterator[Alternative]:
    width, height = spec.size_wh
    if width != height:
        yield _change(spec, "size", f"{height} x {width} pixels (sides exchanged)", size_wh=(height, width))


def _resizes(spec: InputSpec) -> Iterator[Alternative]:
    for title, fields in _RESIZES:
        change = {**fields, "crop_fraction": fields.get("crop_fraction", 1.0)}
        same_place = "anchor" not in fields or fields["anchor"] == spec.anchor
        same_cut = change["crop_fraction"] == spec.crop_fraction
        if not (fields["resize"] == spec.resize and same_place and same_cut):
            yield _change(spec, "resize", title, **change)


def _change(spec: InputSpec, kind: Kind, title: str, **change: Any) -> Alternative:
    said = {name: value for name, value in change.items() if name != "crop_fraction" or value != 1.0}
    if change.get("resize") == "letterbox":
        said["pad"] = list(spec.pad)
    elif change.get("resize") == "crop":
        said["crop_fraction"] = change["crop_fraction"]
    return Alternative(
        kind=kind,
        title=title,
        spec=msgspec.structs.replace(spec, **change),
        options=" ".join(as_options(params={}, image=said)),
    )


def _fits(spec: InputSpec, tensor: TensorInfo) -> bool:
    return all(known in (None, side) for known, side in zip(tensor.shape[1:], spec.row_shape, strict=True))
