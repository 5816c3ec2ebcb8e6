"""The InputSpec of a picture input: what the tensor tells, what the user says, and what nobody has said yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vedette.errors import BundleError
from vedette.inference import describe
from vedette.specs import TensorInfo

Option = tuple[str, str]
"""An option of the command line with its value, and what it says."""

Fields = dict[str, Any]
"""Fields of an :class:`~vedette.vision.spec.InputSpec` by name."""

_PER_CHANNEL = ("mean", "scale", "pad")


def is_picture(tensor: TensorInfo) -> bool:
    """Whether a tensor may be a batch of pictures: it has four axes."""
    return len(tensor.shape) == 4


def known_fields(tensor: TensorInfo, given: Mapping[str, Any]) -> Fields:
    """What ``tensor`` tells, with what the user gave.

    Raises
    ------
    BundleError
        The tensor cannot be a picture, or contradicts what was given.
    """
    if not is_picture(tensor) or tensor.dtype not in ("float32", "uint8"):
        raise BundleError(
            f"input {describe(tensor)} is no picture: that has four axes, and is float32 or uint8",
            fix=f"say what fills it: --feed {tensor.name}=constant:VALUE or --state {tensor.name}=OUTPUT",
        )
    fields = {"dtype": tensor.dtype, "layout": _layout(tensor.shape), **given}
    if fields["layout"] is None:
        del fields["layout"]
        return fields
    height, width, channels = _axes(tensor.shape, fields["layout"])
    if channels == 1:
        fields.setdefault("colour", "gray")
    _check_channels(tensor, channels, fields)
    size = fields.get("size_wh", (width, height))
    if width not in (size[0], None) or height not in (size[1], None):
        raise BundleError(
            f"input {describe(tensor)} is {width} x {height} pixels, not {size[0]} x {size[1]}",
            fix="leave --input-size out, or export the model with free height and width",
        )
    if None not in size:
        fields["size_wh"] = size
    return fields


def missing_options(fields: Mapping[str, Any]) -> Iterator[Option]:
    """What the file does not tell and a guess would often get wrong."""
    if "layout" not in fields:
        yield "--layout nchw|nhwc", "the order of the tensor's axes"
    elif "size_wh" not in fields:
        yield "--input-size WIDTHxHEIGHT", "the model takes any size"
    if "colour" not in fields:
        yield "--colour rgb|bgr", "the order of the tensor's channels"
    resize = fields.get("resize")
    if resize is None:
        yield "--resize letterbox|stretch|crop", "how a picture comes to the size of the tensor"
    if "kernel" not in fields:
        yield (
            "--kernel KERNEL",
            "bilinear is OpenCV's, bilinear_antialias Pillow's and torchvision's; area, nearest",
        )
    if resize == "letterbox" and "anchor" not in fields:
        yield "--anchor center|top_left", "where the letterboxed picture lies"
    if resize == "letterbox" and "pad" not in fields:
        yield "--pad VALUE", "what the rest is filled with, 0..255"
    if resize == "crop" and "crop_fraction" not in fields:
        yield "--crop-fraction FRACTION", "0.875 is 'resize to 256, crop 224'; 1 cuts as little as possible"
    if fields["dtype"] == "float32":
        for name in ("mean", "scale"):
            if name not in fields:
                yield (
                    f"--{name} VALUES",
                    "tensor = (pixel - mean) / scale, pixels 0..255; one value, or one per channel",
                )


def complete(fields: Fields) -> Fields:
    """The fields with single values repeated for every channel.

    Raises
    ------
    BundleError
        ``scale`` is for pixels of another range.
    """
    channels = 1 if fields["colour"] == "gray" else 3
    full = dict(fields)
    for name in _PER_CHANNEL:
        if name in fields:
            values = np.atleast_1d(fields[name]).tolist()
            full[name] = values * channels if len(values) == 1 else values
    if any(0 < value < 1 for value in full.get("scale", ())):
        units = " ".join(f"--{name} {_listed(full[name])}" for name in ("mean", "scale") if name in full)
        raise BundleError(
            f"--scale {','.join(map(str, full['scale']))} would make pixels larger: they are 0..255 here, not 0..1",
            fix=f"if these are figures for 0..1, give them times 255: {units}",
        )
    return full


def _check_channels(tensor: TensorInfo, channels: int | None, fields: Fields) -> None:
    if channels not in (1, 3, None):
        raise BundleError(
            f"input {describe(tensor)} has {channels} channels in layout {fields['layout']}; a picture has 1 or 3",
            fix="correct --layout; for other inputs, write a preprocessor (hook vedette_preprocessors)",
        )
    if channels is not None and "colour" in fields and (fields["colour"] == "gray") != (channels == 1):
        raise BundleError(
            f"input {describe(tensor)} does not have the channels of --colour {fields['colour']}",
            fix="gray has 1, rgb and bgr have 3",
        )


def _listed(values: list[float]) -> str:
    return ",".join(f"{value * 255:g}" for value in values)


def _layout(shape: tuple[int | None, ...]) -> str | None:
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        return None
    return "nchw" if first else "nhwc"


def _axes(shape: tuple[int | None, ...], layout: str) -> tuple[int | None, int | None, int | None]:
    """Height, width and channels."""
    _, a, b, c = shape
    return (b, c, a) if layout == "nchw" else (a, b, c)
