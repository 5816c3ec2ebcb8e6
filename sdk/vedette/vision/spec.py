"""InputSpec: how the pixels of a frame become a model's input tensor. Declared once, in the bundle.

The specification has a *pixel* half (resize, colour) whose result is ``uint8 (h, w, c)``, and a *tensor* half
(normalise, lay out, convert). A backend may take the tensor half into its graph; it is then fed the pixel half.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vedette.frame import Kernel

Resize = Literal["letterbox", "stretch", "crop"]
Anchor = Literal["center", "top_left"]
Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]
TensorType = Literal["float32", "uint8"]
Side = Annotated[int, msgspec.Meta(ge=1, le=16384)]


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image input of a graph.

    Attributes
    ----------
    size_wh
        Width and height of the tensor in pixels.
    resize
        ``stretch`` scales both sides to ``size_wh``; ``letterbox`` keeps the aspect ratio, fits the picture inside and
        fills the rest with ``pad``; ``crop`` keeps the aspect ratio, scales the picture so that its shorter side
        (relative to ``size_wh``) becomes ``size_wh / crop_fraction`` and cuts ``size_wh`` from the centre.
    anchor
        Where a letterboxed picture lies: ``center`` or ``top_left``.
    crop_fraction
        For ``crop`` only: 0.875 is the usual "resize to 256, crop 224".
    kernel
        ``nearest``; ``bilinear`` = 2 x 2 taps, half-pixel centres, no antialiasing (OpenCV INTER_LINEAR, PyTorch
        ``antialias=False``); ``bilinear_antialias`` = triangle filter widened by the scale when shrinking (Pillow
        BILINEAR); ``area`` = mean over the source area (OpenCV INTER_AREA when shrinking).
    colour
        Order of the tensor's channels.
    layout
        ``nchw`` or ``nhwc``.
    dtype
        ``float32``, or ``uint8`` for a graph that normalises by itself (then ``mean`` is 0 and ``scale`` 1).
    mean, scale
        Per channel, in the order of ``colour``, in units of 0..255: ``tensor = (pixel - mean) / scale``.
    pad
        Per channel, in the order of ``colour``, 0..255: the fill of a letterbox, *before* normalisation.
    """

    size_wh: tuple[Side, Side]
    resize: Resize = "letterbox"
    anchor: Anchor = "center"
    crop_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    kernel: Kernel = "bilinear"
    colour: Colour = "rgb"
    layout: Layout = "nchw"
    dtype: TensorType = "float32"
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    pad: tuple[Annotated[int, msgspec.Meta(ge=0, le=255)], ...] = ()

    def __post_init__(self) -> None:
        n = self.channels
        for name, neutral in (("mean", 0.0), ("scale", 1.0), ("pad", 0)):
            given = getattr(self, name)
            full = given or (neutral,) * n
            if len(full) != n:
                raise ValueError(f"{name} has {len(full)} values but colour {self.colour!r} has {n} channels")
            msgspec.structs.force_setattr(self, name, full)
        if not all(0 < abs(value) < float("inf") for value in self.scale):
            raise ValueError("scale must be finite and not zero: the tensor is (pixel - mean) / scale")
        if not all(abs(value) < float("inf") for value in self.mean):
            raise ValueError("mean must be finite")
        if self.dtype == "uint8" and not self.plain:
            raise ValueError("dtype uint8 goes with mean 0 and scale 1: the graph normalises by itself")
        if self.resize != "crop" and self.crop_fraction != 1.0:
            raise ValueError(f"crop_fraction goes with resize 'crop', not {self.resize!r}")

    @property
    def channels(self) -> int:
        """Number of channels: 1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def plain(self) -> bool:
        """Whether values stay 0..255 (``mean`` 0 and ``scale`` 1)."""
        return set(self.mean) == {0.0} and set(self.scale) == {1.0}

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Shape of one batch row of the tensor."""
        w, h = self.size_wh
        return (self.channels, h, w) if self.layout == "nchw" else (h, w, self.channels)

    def pixel_half(self) -> InputSpec:
        """The same without its tensor half: ``uint8``, ``nhwc``, not normalised. What a fused graph is fed."""
        return msgspec.structs.replace(self, layout="nhwc", dtype="uint8", mean=(), scale=())
