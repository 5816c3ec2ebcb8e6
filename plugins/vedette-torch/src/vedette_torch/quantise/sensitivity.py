"""Which layers suffer most from eight bits: how far the features move when that layer alone is quantised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from vedette.specs import Tensors
from vedette_torch.quantise.onnx_graph import features_of, with_outputs
from vedette_torch.quantise.qdq import Calibrated

PICTURES = 8


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """``error``: of the features with this layer alone in int8, ``|int8 - f32|^2 / |f32|^2`` over all pictures, the
    mean over the tensors that the decoding reads."""

    layer: str
    error: float


def rank(
    calibrated: Calibrated, feeds: Sequence[Tensors], say: Callable[[str], None] = lambda text: None
) -> list[Sensitivity]:
    """All layers of a graph, the most sensitive first.

    Parameters
    ----------
    feeds
        Inputs for some pictures of the calibration set.
    """
    names = features_of(calibrated.model)
    expected = _run(with_outputs(calibrated.model, names), names, feeds)
    found = []
    for number, layer in enumerate(calibrated.layers, 1):
        say(f"sensitivity of layer {number} of {len(calibrated.layers)}")
        got = _run(calibrated.quantise_only(layer), names, feeds)
        errors = [_error(is_, be) for is_, be in zip(got, expected, strict=True)]
        found.append(Sensitivity(layer=layer, error=float(np.mean(errors))))
    return sorted(found, key=lambda item: -item.error)


def _run(model: ModelProto, names: Sequence[str], feeds: Sequence[Tensors]) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    answers = [session.run(list(names), dict(feed)) for feed in feeds]
    return [np.concatenate([answer[index].ravel() for answer in answers]) for index in range(len(names))]


def _error(got: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    difference = got.astype(np.float64) - expected
    return float((difference**2).sum() / max(float((expected.astype(np.float64) ** 2).sum()), 1e-12))
