"""Points of the thing that fills the input, as pairs of relative positions: networks that look at a crop, such as
``landmarks-regression-retail-0009`` and ``facial-landmarks-35-adas-0002`` of the Open Model Zoo
(https://github.com/openvinotoolkit/open_model_zoo)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Keypoints
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette.vision.geometry import points_to_frame
from vedette.vision.spec import Side
from vedette_cnn.decoders.points import FACE_5, point_names
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import find_picture, normalised, vector_length


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    input_wh
        Width and height of the input tensor.
    output
        Name of the output; ``None``: the only one.
    """

    input_wh: tuple[Side, Side]
    output: str | None = None


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Keypoints:
    """Decode one output ``(n, 2 * points)``, trailing axes of length 1 allowed: x, y of each point relative to the
    input (0..1).

    The network says nothing of its confidence: it is 1 for every point, also where the crop shows something else.
    Points are not clipped. Labels of the bundle are the names of the points; five points without labels are those of a
    face.

    Raises
    ------
    ResultError
        The output does not fit ``labels``, or is not finite.
    """
    raw = Raw("landmarks", outputs)
    n = len(affines)
    name, tensor = raw.find(params.output)
    flat = tensor.ndim >= 2 and len(tensor) == n and not set(tensor.shape[2:]) - {1}
    if not flat or tensor.dtype.kind != "f" or tensor.shape[1] % 2 or not tensor.shape[1]:
        raise raw.error(
            f"output {name!r} must be ({n}, 2 * points) of floats, not {tensor.shape} {tensor.dtype}"
        )
    points = tensor.reshape(n, tensor.shape[1] // 2, 2).astype(np.float32, copy=False)
    if not np.isfinite(points).all():
        raise raw.error(
            f"output {name!r} is not finite",
            "run it at precision f32 and on another backend: if that does not help, the model file is broken",
        )
    row = np.arange(n)
    return Keypoints(
        points=points_to_frame(points * np.array(params.input_wh, np.float32), row, affines),
        confidence=np.ones(points.shape[:2], np.float32),
        source_row=row.astype(np.int32),
        labels=point_names(raw, points.shape[1], labels, FACE_5),
    )


COUNTS = (35, 68, 98)
"""Points of published networks for faces, and few classifiers have twice as many classes. Five points take ten numbers,
as many as the classes of several well-known datasets."""


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """One output with as many numbers as published networks have; ten of them with four axes, as those of the Open
    Model Zoo are. A classifier may look the same. An OpenVINO file is taken for one of that zoo."""
    length, picture = vector_length(facts), find_picture(facts)
    five = length == 2 * len(FACE_5) and all(len(info.shape) == 4 for info in facts.outputs.values())
    if length is None or picture is None or not (five or length in {2 * count for count in COUNTS}):
        return
    zoo = facts.format == "openvino"
    image = {"colour": "bgr", "resize": "stretch", "kernel": "bilinear", **normalised(picture, 0, 1)}
    yield Proposal(
        task="keypoints",
        image=image if zoo else {},
        why=f"{length} numbers per picture: x, y of {length // 2} points"
        f"{'; the picture as in the Open Model Zoo' * zoo}",
    )


SPEC = PostprocessSpec(
    name="landmarks",
    summary="Points of a face or another thing that fills the input",
    result=Keypoints,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
