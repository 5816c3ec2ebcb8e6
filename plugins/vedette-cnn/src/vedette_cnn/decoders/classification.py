"""One vector of class scores per image, as every image classifier gives it: logits or probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Classification
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensor, TensorInfo, Tensors
from vedette_cnn.decoders import model_api
from vedette_cnn.decoders.activations import sigmoid, softmax
from vedette_cnn.decoders.model_api import stated_first
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import axes_text, find_picture
from vedette_cnn.decoders.ultralytics_export import recognise_classifier

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
    if params.first_class and len(labels) == score.shape[1]:
        raise raw.error(
            f"there is a label for each of {len(labels)} numbers, but the first classes are left out",
            f"take the first {params.first_class} of the labels away, or set first_class to 0",
        )
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


BACKGROUNDS = ("background", "__background__")
IMAGENET_WITH_BACKGROUND = 1001
PROBABILITIES = {("uint8", 0), ("int8", -128)}
"""Type and zero point with which TensorFlow Lite stores probabilities, in steps of 1/256
(https://ai.google.dev/edge/litert/models/quantization_spec)."""


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """A model of one picture with one vector. Whether the numbers are probabilities is told by the name of the output
    or its quantisation, or not at all; the same goes for what the picture must be: it is not told by a shape."""
    picture = find_picture(facts) or find_picture(facts, channels=1)
    if picture is None or len(facts.outputs) != 1:
        return
    (output,) = facts.outputs.values()
    classes = output.shape[1] if len(output.shape) > 1 else None
    if classes is None or classes < 2 or set(output.shape[2:]) - {1}:
        return
    labels = facts.labels if len(facts.labels) == classes else ()
    background = labels[0].lower() in BACKGROUNDS if labels else classes == IMAGENET_WITH_BACKGROUND
    params = {**_stored_as(output, facts), **({"first_class": 1} if background else {})}
    yield Proposal(
        task="classification",
        params=params,
        image=_picture_of(facts) if facts.format == "tflite" else {},
        labels=labels[1:] if background else labels,
        why=f"output {axes_text(output)} is one vector for one picture"
        + (": 1 background and " + str(classes - 1) + " classes" if background else ""),
    )


def _picture_of(facts: ModelFacts) -> Mapping[str, Any]:
    """TensorFlow's pictures are RGB; metadata of a TensorFlow Lite file may say how they are normalised."""
    image: dict[str, Any] = {"colour": "rgb"} if find_picture(facts) else {}
    (tensor,) = facts.inputs.values()
    known = facts.metadata.get(f"normalisation/{tensor.name}", "").split()
    if tensor.dtype == "float32" and len(known) == 2:
        image["mean"], image["scale"] = ([float(part) for part in text.split(",")] for text in known)
    return image


def _stored_as(output: TensorInfo, facts: ModelFacts) -> Mapping[str, Any]:
    """How the output holds its numbers, and whether they are probabilities, as far as the file tells."""
    params: dict[str, Any] = {}
    known = facts.metadata.get(f"quantisation/{output.name}")
    if known is not None and not output.dtype.startswith("float"):
        scale, zero_point = known.split()
        params = {"scale": float(scale), "zero_point": int(zero_point)}
        if float(scale) == 1 / 256 and (output.dtype, int(zero_point)) in PROBABILITIES:
            params["activation"] = "none"
    if "softmax" in output.name.lower():
        params["activation"] = "none"
    return params


SPEC = PostprocessSpec(
    name="classification",
    summary="Image classifier: the best classes of each image",
    result=Classification,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=stated_first(recognise_classifier, stated_first(model_api.classification, recognise)),
)
