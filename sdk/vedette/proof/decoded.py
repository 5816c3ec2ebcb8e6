"""Whether a model's result is the recorded one, once its decoder has read what its graphs said.

Detectors propose an object several times, and report the surest proposal. Where two are equally sure, which is
reported hangs on the last digit of an output, with 8 bits on a single rounding: that is a tie, no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from vedette.bundle.recording import Recording, first_row
from vedette.errors import VedetteError
from vedette.proof.agreement import Agreement, Proposals, agreement
from vedette.proof.oracle import LEAST_MARGIN
from vedette.results import Detections, Result
from vedette.specs import Tensor

if TYPE_CHECKING:
    from vedette.model.loading import LoadedModel

ALL = 1 << 20
"""As many boxes as there are."""


def judge_decoded(
    model: LoadedModel,
    recording: Recording,
    outputs: Mapping[str, Mapping[str, Tensor]],
    margin: float,
) -> Agreement:
    """Decode what the model said to the recorded input, and compare with the recorded result.

    Where boxes differ, ties of the suppression count as equal, provided that the decoder itself is beyond doubt: what
    it makes of the recorded outputs is the recorded result.

    Parameters
    ----------
    outputs
        By graph and tensor.
    margin
        By how much confidences may differ.
    """
    params = model.own_params
    threshold = _number(params, "confidence_threshold")
    last = model.graphs[-1].name

    def decode(tensors: Mapping[str, Mapping[str, Tensor]], params: Any) -> Result:
        row = first_row(tensors[last], recording.inputs[last])
        return model.decode(row, np.stack([recording.affine]), recording.size_wh, params)

    try:
        result = decode(outputs, params)
        found = agreement(result, recording.result, margin, threshold)
        overlap = _number(params, "iou_threshold")
        if not found.problem or overlap is None or not isinstance(result, Detections):
            return found
        again = decode(recording.outputs, params)
        if len(again) != len(recording.result) or (
            agreement(again, recording.result, LEAST_MARGIN, threshold).problem
        ):
            return found
        given, expected = (
            decode(tensors, _without_suppression(params)) for tensors in (outputs, recording.outputs)
        )
    except Exception as error:  # a plugin's
        text = error.message if isinstance(error, VedetteError) else f"{type(error).__name__}: {error}"
        return Agreement(0, 1, f"decoder {model.parts.postprocess.name!r}: {text}")
    if not isinstance(given, Detections) or not isinstance(expected, Detections):
        return found
    proposals = Proposals(given=given, expected=expected, overlap=overlap)
    return agreement(result, recording.result, margin, threshold, proposals)


def _without_suppression(params: Any) -> Any:
    """The parameters of a decoder that reports all that it finds."""
    changes: dict[str, Any] = {"iou_threshold": 1.0, "max_detections": ALL}
    return msgspec.structs.replace(
        params, **{name: value for name, value in changes.items() if hasattr(params, name)}
    )


def _number(params: Any, name: str) -> float | None:
    value = getattr(params, name, None)
    return float(value) if isinstance(value, int | float) else None
