"""What decoders look at to know a model by sight: its picture, and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vedette.specs import ModelFacts, TensorInfo

Size = int | None


class Picture(NamedTuple):
    """The one picture that a model takes. A free side is ``None``."""

    width: Size
    height: Size
    dtype: str


def find_picture(facts: ModelFacts, channels: int = 3) -> Picture | None:
    """The only input, if it is a batch of pictures of so many channels, ``float32`` or ``uint8``."""
    if len(facts.inputs) != 1:
        return None
    (tensor,) = facts.inputs.values()
    if len(tensor.shape) != 4 or tensor.dtype not in ("float32", "uint8"):
        return None
    _, a, b, c = tensor.shape
    if a == channels:
        return Picture(c, b, tensor.dtype)
    return Picture(b, a, tensor.dtype) if c == channels else None


def only_output(facts: ModelFacts, axes: int) -> TensorInfo | None:
    """The only output, if it is of floats and has so many axes."""
    if len(facts.outputs) != 1:
        return None
    (tensor,) = facts.outputs.values()
    return tensor if len(tensor.shape) == axes and tensor.dtype.startswith("float") else None


def vector_length(facts: ModelFacts) -> Size:
    """How many numbers a model says of each picture, if that is all it says; axes of length 1 do not count."""
    if len(facts.outputs) != 1 or find_picture(facts) is None:
        return None
    (tensor,) = facts.outputs.values()
    flat = len(tensor.shape) >= 2 and set(tensor.shape[2:]) <= {1} and tensor.dtype.startswith("float")
    return tensor.shape[1] if flat else None


def normalised(picture: Picture, mean: float, scale: float) -> Mapping[str, Any]:
    """``mean`` and ``scale`` for an input of floats; one of ``uint8`` takes pixels as they are."""
    return {"mean": [mean], "scale": [scale]} if picture.dtype == "float32" else {}


def axes_text(tensor: TensorInfo) -> str:
    """``'output' (1, 3549, 85)``."""
    sizes = ", ".join("?" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name!r} ({sizes})"
