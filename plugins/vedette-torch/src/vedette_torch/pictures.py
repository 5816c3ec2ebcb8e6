"""Files become the pixels that a network is fed, by the code that does it on an edge box."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.frame import Frame
from vedette.registry import load_plugins
from vedette.specs import Affine, Roi, TensorInfo
from vedette.vision.preprocess import ImagePreprocess
from vedette.vision.spec import InputSpec
from vedette_torch.data.pictures import read_frame


class PictureLoader:
    """Reads pictures as a pipeline does: by the decoder and the preprocessing of an edge box.

    Training and serving cannot differ in this. Only the tensor half, ``(pixel - mean) / scale``, is left to
    :func:`normalise`, because pixels are augmented before it.

    Raises
    ------
    VedetteError
        An input is not floating point and ``nchw``, or they differ in size.
    """

    def __init__(self, inputs: Mapping[str, InputSpec]) -> None:
        for name, spec in inputs.items():
            if spec.dtype != "float32" or spec.layout != "nchw":
                raise VedetteError(f"input {name!r} of the recipe must be float32 and nchw")
        if len({spec.size_wh for spec in inputs.values()}) > 1:
            raise VedetteError("the picture inputs of a recipe must have one size")
        self.names = tuple(inputs)
        self._decode = image_decoder(load_plugins())
        self._preprocess = {name: _pixel_half(name, spec) for name, spec in inputs.items()}

    def load(self, path: Path, name: str) -> tuple[Tensor, Affine]:
        """The picture at ``path`` as the input ``name`` shows it.

        Returns ``(c, h, w) uint8`` and the map ``(2, 3) float64`` from the upright picture's pixels to the tensor's.

        Raises
        ------
        VedetteError
            The file cannot be read or decoded; the message names it.
        """
        try:
            return self.view(read_frame(path, self._decode), name)
        except VedetteError as error:
            raise VedetteError(f"cannot use the picture {path}: {error.message}", fix=error.fix) from error

    def view(self, frame: Frame, name: str) -> tuple[Tensor, Affine]:
        """A frame, for instance of a video, as the input ``name`` shows it; as :meth:`load`."""
        spec, preprocess = self._preprocess[name]
        row = np.empty(spec.row_shape, np.uint8)
        affine = preprocess.write(frame, Roi.whole(frame.size_wh), row)
        return torch.from_numpy(row.transpose(2, 0, 1).copy()), inverted(affine)


def inverted(affine: Affine) -> Affine:
    """The way back of a map ``(2, 3)``."""
    return np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2]


def normalise(pixels: Tensor, inputs: Mapping[str, InputSpec]) -> list[Tensor]:
    """The tensor half: ``(n, c, h, w) float32``, 0..255, becomes one tensor per input of the network."""
    parts = torch.split(pixels, [spec.channels for spec in inputs.values()], dim=1)
    return [
        (part - part.new_tensor(spec.mean)[:, None, None]) / part.new_tensor(spec.scale)[:, None, None]
        for part, spec in zip(parts, inputs.values(), strict=True)
    ]


def _pixel_half(name: str, spec: InputSpec) -> tuple[InputSpec, ImagePreprocess]:
    pixels = spec.pixel_half()
    return pixels, ImagePreprocess(
        pixels, TensorInfo(name=name, dtype="uint8", shape=(None, *pixels.row_shape))
    )
