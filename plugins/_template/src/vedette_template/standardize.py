"""Preprocess: per-image standardisation, as in ``tf.image.per_image_standardization``.

Declarative preprocessing (the built-in ``image``) cannot say this, since mean and deviation are the picture's own.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from vedette import Frame, InputSpec, Roi, TensorInfo
from vedette.specs import Affine, Tensor
from vedette.vision.preprocess import ImagePreprocess

Side = Annotated[int, msgspec.Meta(ge=1)]


class StandardizeParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle or pipeline may write under ``params``; the host checks it and reports errors with their path."""

    size_wh: tuple[Side, Side]
    colour: Literal["rgb", "bgr"] = "rgb"


class Standardize:
    """Fills a ``(3, h, w) float32`` row with ``(pixel - mean) / max(deviation, 1 / sqrt(3 * h * w))``.

    Mean and standard deviation are taken over all pixels and channels of the row.
    """

    def __init__(self, params: StandardizeParams, tensor: TensorInfo) -> None:
        # Reuse the core for what it does well: views, colour, regions over the edge, the affine map.
        spec = InputSpec(size_wh=params.size_wh, resize="stretch", colour=params.colour)
        self._image = ImagePreprocess(spec, tensor)

    def write(self, frame: Frame, roi: Roi, out: Tensor) -> Affine:
        """Write one batch row in place; ``out`` belongs to the request."""
        affine = self._image.write(frame, roi, out)
        out -= out.mean()
        out /= max(float(out.std()), out.size**-0.5)  # a picture of one colour has no deviation
        return affine
