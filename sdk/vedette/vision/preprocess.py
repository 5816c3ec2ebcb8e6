"""The built-in ``image`` preprocessing: from a region of a frame to one row of an input tensor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from vedette.errors import BackendError
from vedette.frame import Frame, PackedFormat, Rect
from vedette.specs import Affine, PreprocessSpec, Roi, Tensor, TensorInfo
from vedette.vision.geometry import compose, scale_translate
from vedette.vision.regions import round_half_up, sample_turned, sample_upright, upright_rect
from vedette.vision.spec import InputSpec

_FORMATS: dict[str, PackedFormat] = {"rgb": "rgb", "bgr": "bgr", "gray": "gray8"}
_MAX_WASTE = 4
"""A region is resized whole and then cut, which is fast and can be shared, unless it is so many times what is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where a region lies in the tensor.

    Attributes
    ----------
    resized_wh
        Size that the whole region is resized to.
    offset_xy
        Where its top left pixel comes to lie in the tensor; negative where only a part is shown.
    covered
        ``x0, y0, x1, y1``: the tensor's pixels that show the region; the others are padding.
    affine
        ``(2, 3) float64``, read-only: tensor to region. Exact, that is, for ``resized_wh`` as rounded.
    """

    resized_wh: tuple[int, int]
    offset_xy: tuple[int, int]
    covered: tuple[int, int, int, int]
    affine: Affine


def plan_geometry(spec: InputSpec, roi_size: tuple[float, float]) -> Placement:
    """Place a region of ``roi_size`` (width, height) in the tensor by the resize rule of ``spec``.

    Sizes are rounded to the nearest pixel, halves up, and are at least 1. Where the middle is between two pixels,
    a letterboxed picture lies half a pixel up or left of it, and a cropped one half a pixel down or right.
    """
    (width, height), (w, h) = spec.size_wh, roi_size
    x, y = 0, 0
    if spec.resize == "stretch":
        new_w, new_h = width, height
    elif spec.resize == "letterbox":
        factor = min(width / w, height / h)
        new_w = min(max(round_half_up(w * factor), 1), width)
        new_h = min(max(round_half_up(h * factor), 1), height)
        if spec.anchor == "center":
            x, y = (width - new_w) // 2, (height - new_h) // 2
    else:
        factor = max(width / w, height / h) / spec.crop_fraction
        new_w = max(round_half_up(w * factor), width)
        new_h = max(round_half_up(h * factor), height)
        x, y = -((new_w - width) // 2), -((new_h - height) // 2)
    covered = max(x, 0), max(y, 0), min(x + new_w, width), min(y + new_h, height)
    affine = scale_translate(w / new_w, h / new_h, -x * w / new_w, -y * h / new_h)
    affine.flags.writeable = False
    return Placement((new_w, new_h), (x, y), covered, affine)


class ImagePreprocess:
    """Writes tensor rows as an :class:`InputSpec` describes. Thread-safe.

    *What is sampled.* The corners of the region are rounded to whole pixels of the frame
    (:func:`~vedette.vision.regions.upright_rect`) and these pixels are resized; the returned map belongs to the rounded
    region. Where it reaches over the frame's edge, the frame goes on in the colour ``pad``. A turned, sheared or
    mirrored region is not rounded, but sampled bilinearly where it lies (:func:`~vedette.vision.warp.warp`), whatever
    kernel the specification names.

    *Values.* ``(pixel - mean) / scale`` in float32, exactly. For the pixels, :mod:`vedette.vision.reference` is the
    definition; :mod:`~vedette.vision.resample` and :func:`~vedette.vision.views.render` state the bounds held to it.

    Parameters
    ----------
    spec
        The input as declared.
    tensor
        The input as the loaded graph has it: as declared, or ``uint8 (n, h, w, c)`` where the backend took the
        tensor half into the graph.

    Raises
    ------
    BackendError
        ``tensor`` is neither.
    """

    def __init__(self, spec: InputSpec, tensor: TensorInfo) -> None:
        self._name = tensor.name
        self._spec = _as_fed(spec, tensor)
        self._format = _FORMATS[spec.colour]
        self._place = lru_cache(maxsize=64)(partial(plan_geometry, spec))
        self._mean, self._scale, pad = np.array([self._spec.mean, self._spec.scale, spec.pad], np.float32)
        fill = (pad - self._mean) / self._scale
        # One colour for all channels is written at once, in the order of memory.
        self._fill = [(slice(None), fill[0])] if (fill == fill[0]).all() else list(enumerate(fill))

    def write(self, frame: Frame, roi: Roi, out: Tensor) -> Affine:
        """Fill ``out``, one row of the tensor, from ``roi`` of ``frame``.

        Returns the map ``(2, 3) float64`` from tensor to frame, which may be shared: do not write to it.

        Raises
        ------
        BackendError
            ``out`` has another shape or dtype than a row of the tensor.
        PipelineError
            ``roi`` is empty or not finite, or reaches over the frame's edge and is too large to be padded.
        SourceError
            The frame cannot be decoded.
        """
        spec = self._spec
        if out.shape != spec.row_shape or out.dtype != spec.dtype:
            raise BackendError(
                f"input {self._name!r}: a row is {spec.dtype} {spec.row_shape}, "
                f"but the array to fill is {out.dtype.name} {out.shape}"
            )
        rect = upright_rect(frame, roi)
        if rect is None:
            placement = self._place(roi.size_wh)
            affine = compose(roi.affine, placement.affine)
            x0, y0, x1, y1 = placement.covered
            shown = compose(affine, scale_translate(1, 1, x0, y0))
            picture = sample_turned(frame, shown, (x1 - x0, y1 - y0), self._format, spec.pad)
        else:
            placement = self._place(rect[2:])
            affine = (
                compose(scale_translate(1, 1, *rect[:2]), placement.affine)
                if any(rect[:2])
                else placement.affine
            )
            picture = self._cut(frame, rect, placement)
        self._store(picture, placement.covered, out)
        return affine

    def _cut(self, frame: Frame, rect: Rect, placement: Placement) -> NDArray[np.uint8]:
        """Resize ``rect`` and cut out the pixels that the tensor shows."""
        format, kernel, pad = self._format, self._spec.kernel, self._spec.pad
        (width, height), (offset_x, offset_y) = placement.resized_wh, placement.offset_xy
        x0, y0, x1, y1 = placement.covered
        x0, y0, x1, y1 = x0 - offset_x, y0 - offset_y, x1 - offset_x, y1 - offset_y
        if width * height <= _MAX_WASTE * (x1 - x0) * (y1 - y0):
            return sample_upright(frame, rect, (width, height), format, kernel, pad)[y0:y1, x0:x1]
        sx, sy = rect[2] / width, rect[3] / height
        window = (rect[0] + x0 * sx, rect[1] + y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy)
        return sample_upright(frame, rect, (x1 - x0, y1 - y0), format, kernel, pad, window)

    def _store(self, picture: NDArray[np.uint8], covered: tuple[int, int, int, int], out: Tensor) -> None:
        """The tensor half: write ``picture`` where it is ``covered``, padding elsewhere."""
        x0, y0, x1, y1 = covered
        pixels = out.transpose(1, 2, 0) if self._spec.layout == "nchw" else out
        target = pixels[y0:y1, x0:x1]
        if picture.ndim == 2:
            picture = picture[..., None]
        if self._spec.dtype == "uint8":
            target[...] = picture
        else:
            for channel, (mean, scale) in enumerate(zip(self._mean, self._scale, strict=True)):
                plane = target[..., channel]
                plane[...] = picture[..., channel]
                if mean != 0:
                    plane -= mean
                if scale != 1:
                    plane /= scale
        for strip in (pixels[:y0], pixels[y1:], pixels[y0:y1, :x0], pixels[y0:y1, x1:]):
            if strip.size:
                for channels, value in self._fill:
                    strip[..., channels] = value


def _as_fed(spec: InputSpec, tensor: TensorInfo) -> InputSpec:
    """``spec``, or its pixel half: whichever ``tensor`` takes."""
    for fed in (spec, spec.pixel_half()):
        pairs = zip(tensor.shape[1:], fed.row_shape, strict=False)
        fits = len(tensor.shape) == 4 and all(have in (None, want) for have, want in pairs)
        if fits and tensor.dtype == fed.dtype:
            return fed
    raise BackendError(
        f"input {tensor.name!r}: the graph takes {tensor.dtype} {_words(tensor.shape)}, but the preprocessing 'image' "
        f"makes {spec.dtype} {_words((None, *spec.row_shape))}, or uint8 "
        f"{_words((None, *spec.pixel_half().row_shape))} for a graph that normalises by itself",
        fix="correct size_wh, layout, dtype or colour of this input in the bundle",
    )


def _words(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if side is None else str(side) for side in shape)})"


IMAGE = PreprocessSpec(
    name="image",
    summary="resize, pad, normalise and lay out the pixels of a region",
    params=InputSpec,
    build=ImagePreprocess,
    fuse=lambda params: params,
)
