"""One vector of class scores per window of time: what a recurrent step gives for the time so far, or a clip model for
its clip."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import ResultError
from vedette.results import ClipPrediction
from vedette.specs import PostprocessSpec, Tensor, Tensors

STEP = 0.01
"""Probabilities outside of 0..1 by no more than a quantisation step are taken as 0 or 1."""


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    activation
        What makes the output probabilities: ``softmax`` (classes exclude each other), ``sigmoid`` (each by itself:
        multi-label), or ``none`` where the graph gives probabilities already.
    top_k
        The number of classes to report, best first; ``None``: all. The stage ``activity`` needs all.
    output
        Name of the output; ``None``: the only one. A recurrent step has its state besides, so it must be named there.
    """

    activation: Literal["softmax", "sigmoid", "none"]
    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None
    output: str | None = None


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> ClipPrediction:
    """Decode one output ``(n, classes)`` of floats. ``window_ns`` is left 0: the pipeline knows the times.

    Raises
    ------
    ResultError
        The output does not fit ``params`` or ``labels``, or holds what is not a number.
    """
    name, score = _find(outputs, params.output)
    if score.ndim != 2 or len(score) != len(affines) or score.dtype.kind != "f" or not score.shape[1]:
        raise _error(
            f"output {name!r} must be ({len(affines)}, classes) of floats, not {score.shape} {score.dtype}"
        )
    if labels and len(labels) != score.shape[1]:
        raise _error(
            f"output {name!r} has {score.shape[1]} classes, but the bundle has {len(labels)} labels",
            "give one label per class, in the model's order",
        )
    probability = _probabilities(name, score.astype(np.float32), params.activation)
    best = np.argsort(-probability, axis=1, kind="stable")[:, : params.top_k]
    return ClipPrediction(
        class_id=best.astype(np.int32),
        confidence=np.take_along_axis(probability, best, axis=1),
        window_ns=np.zeros((len(best), 2), np.int64),
        source_row=np.arange(len(best), dtype=np.int32),
        labels=labels,
    )


def _find(outputs: Tensors, name: str | None) -> tuple[str, Tensor]:
    if name is None and len(outputs) == 1:
        name = next(iter(outputs))
    if name is None or name not in outputs:
        missing = "there are several outputs" if name is None else f"there is no output {name!r}"
        raise _error(missing, f"set the parameter output to one of: {', '.join(outputs)}")
    return name, outputs[name]


def _probabilities(name: str, score: NDArray[np.float32], activation: str) -> NDArray[np.float32]:
    if not np.isfinite(score).all():
        raise _error(
            f"output {name!r} holds NaN or infinity", "run it at precision f32, or on another backend"
        )
    if activation == "softmax":
        power: NDArray[np.float32] = np.exp(score - score.max(axis=1, keepdims=True))
        power /= power.sum(axis=1, keepdims=True)
        return power
    if activation == "sigmoid":
        with np.errstate(over="ignore"):  # 1 / infinity is the right answer
            return np.float32(1) / (np.float32(1) + np.exp(-score))
    if score.min(initial=0) < -STEP or score.max(initial=0) > 1 + STEP:
        raise _error(
            f"output {name!r} reaches from {score.min():.4g} to {score.max():.4g}: these are no probabilities",
            "set activation to softmax or sigmoid",
        )
    return score.clip(0, 1)


def _error(
    message: str, fix: str = "use the decoder of this output format; `vedette plugins` lists what there is"
) -> ResultError:
    return ResultError(f"decoder 'clip-scores': {message}", fix=fix)


SPEC = PostprocessSpec(
    name="clip-scores",
    summary="What happens in a window of time: the best classes, or each by itself",
    result=ClipPrediction,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
)
