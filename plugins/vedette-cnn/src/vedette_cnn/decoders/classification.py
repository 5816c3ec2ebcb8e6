"""One vector of class scores per image, as every image classifier gives it: logits or probabilities."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification
from vedette.specs import PostprocessSpec, Tensor, Tensors
from vedette_cnn.decoders.activations import sigmoid, softmax
from vedette_cnn.decoders.raw import Raw

STEP = 0.01
"""Probabilities outside of 0..1 by no more than a quantisation step are taken as 0 or 1."""


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    activation
        What makes the output probabilities: ``softmax`` (classes exclude each other), ``sigmoid`` (each by itself), or
        ``none`` where the graph gives probabilities already. It cannot be told from the numbers, so it has no default.
    top_k
        The number of classes to report, best first.
    first_class
        The network's number of the first class: 1 where class 0 is the background. Classes before it are left out,
        after the activation; ``class_id`` counts from it.
    output
        Name of the output; ``None``: the only one.
    scale, zero_point
        For integer outputs, and only there: ``score = (output - zero_point) * scale``.
    """

    activation: Literal["softmax", "sigmoid", "none"]
    top_k: Annotated[int, msgspec.Meta(ge=1)] = 5
    first_class: Annotated[int, msgspec.Meta(ge=0)] = 0
    output: str | None = None
    scale: Annotated[float, msgspec.Meta(gt=0)] | None = None
    zero_point: int = 0


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Classification:
    """Decode one output ``(n, classes)``, trailing axes of length 1 allowed.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or gives NaN.
    """
    raw = Raw("classification", outputs)
    score = _scores(raw, params, len(affines))
    raw.check_classes(score.shape[1] - params.first_class, labels)
    probability = _probabilities(raw, score, params.activation)[:, params.first_class :]
    best = np.argsort(-probability, axis=1, kind="stable")[:, : params.top_k]
    return Classification(
        class_id=best.astype(np.int32),
        confidence=np.take_along_axis(probability, best, axis=1),
        source_row=np.arange(len(best), dtype=np.int32),
        labels=labels,
    )


def _scores(raw: Raw, params: Params, n: int) -> NDArray[np.float32]:
    name, tensor = raw.find(params.output)
    if tensor.ndim < 2 or len(tensor) != n or set(tensor.shape[2:]) - {1}:
        raise raw.error(f"output {name!r} must be ({n}, classes), not {tensor.shape}")
    return _dequantised(raw, name, tensor.reshape(tensor.shape[:2]), params)


def _dequantised(raw: Raw, name: str, tensor: Tensor, params: Params) -> NDArray[np.float32]:
    whole = tensor.dtype.kind in "iu"
    if whole != (params.scale is not None) or (not whole and tensor.dtype.kind != "f"):
        state = "without" if params.scale is None else "with"
        raise raw.error(
            f"output {name!r} is {tensor.dtype}, {state} the parameter scale",
            "give scale and zero_point for an integer output, and only for one",
        )
    if params.scale is None:
        return tensor.astype(np.float32, copy=False)
    return (tensor.astype(np.float32) - params.zero_point) * np.float32(params.scale)


def _probabilities(raw: Raw, score: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    if activation != "none":
        probability = softmax(score) if activation == "softmax" else sigmoid(score)
        raw.refuse_nan("the output", probability)
        return probability
    raw.refuse_nan("the output", score)
    if score.min(initial=0) < -STEP or score.max(initial=0) > 1 + STEP:
        raise raw.error(
            f"scores reach from {score.min():.4g} to {score.max():.4g}, so they are not probabilities",
            "set activation to softmax or sigmoid",
        )
    return score.clip(0, 1)


SPEC = PostprocessSpec(
    name="classification",
    summary="Image classifier: the best classes of each image",
    result=Classification,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
)
