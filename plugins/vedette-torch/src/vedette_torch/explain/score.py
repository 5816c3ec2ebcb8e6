"""The score of one answer, as a number that torch can differentiate.

Of a classifier it is the logit of the class. Of a detector it is the confidence of one detection, which a decoder in
numpy makes of the raw outputs. It is differentiated by the chain rule in two halves: the decoder numerically, at the
few raw numbers that this detection depends on, and the network by autograd. So any decoder will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedette.errors import VedetteError
from vedette.explain.saliency import Target
from vedette.results import Detections, Result
from vedette.specs import Tensors
from vedette.vision.nms import iou_matrix

Read = Callable[[Tensors], Result]
Function = Callable[[NDArray[np.float64]], float]
_STEP = 1e-3
"""Of the numeric derivative, relative to a raw number, and at least as such."""
_NOTICED = 1e-9
_MOST = 4096


def class_score(outputs: Mapping[str, Tensor], params: Any, target: Target) -> Tensor:
    """The logit of a class: of the only output ``(1, classes)``, or the one that the decoder's parameter ``output``
    names; ``first_class`` is what it leaves out.

    Raises
    ------
    VedetteError
        There is no such output.
    """
    only = next(iter(outputs)) if len(outputs) == 1 else ""
    found = outputs.get(getattr(params, "output", None) or only)
    unit = target.class_id + int(getattr(params, "first_class", 0))
    if found is None or found.flatten(1).shape[1] <= unit:
        raise VedetteError(f"the network gives no logit for {target.label}")
    return found.flatten(1)[0, unit]


def detection_score(outputs: Mapping[str, Tensor], read: Read, target: Target) -> Tensor:
    """The confidence of a detection, linear about the raw outputs as they are: its gradient by anything before them is
    that of the decoded confidence.

    Raises
    ------
    VedetteError
        No raw number makes a difference to it: the decoder does not see it any more.
    """
    values = {name: value.detach().numpy() for name, value in outputs.items()}
    shapes = {name: value.shape for name, value in values.items()}
    ends = np.cumsum([value.size for value in values.values()])
    flat = np.concatenate([value.ravel().astype(np.float64) for value in values.values()])

    def confidence(raw: NDArray[np.float64]) -> float:
        parts = np.split(raw.astype(np.float32), ends[:-1])
        named = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return _confidence(read(named), target)

    slopes = _slopes(confidence, flat)
    if not slopes:
        raise VedetteError(f"the confidence of {target} does not depend on what the network gives")
    whole = torch.cat([value.flatten() for value in outputs.values()])
    at = torch.tensor(list(slopes))
    return (whole[at] * torch.tensor(list(slopes.values()), dtype=whole.dtype)).sum()


def _confidence(result: Result, target: Target) -> float:
    """Of the box of the target's class that lies most as the target's does."""
    assert isinstance(result, Detections)
    same = np.flatnonzero(result.class_id == target.class_id)
    if not len(same):
        return 0.0
    overlap = iou_matrix(result.xyxy[same], np.array([target.xyxy], np.float64))[:, 0]
    best = int(overlap.argmax())
    return float(result.confidence[same[best]]) if overlap[best] > 0.5 else 0.0


def _slopes(function: Function, at: NDArray[np.float64]) -> dict[int, float]:
    """The derivatives of ``function`` at ``at`` that are not 0. The numbers that matter are found by halves: all of a
    group are moved at once, each by its own random part of a step so that they do not cancel out, and a group is
    halved only if that is noticed."""
    step = _STEP * np.maximum(1.0, np.abs(at))
    moves = step * np.random.default_rng(0).uniform(0.5, 1.0, len(at))
    here = function(at)

    def matters(first: int, last: int) -> bool:
        for sign in (1, -1):
            moved = at.copy()
            moved[first:last] += sign * moves[first:last]
            if abs(function(moved) - here) > _NOTICED:
                return True
        return False

    slopes: dict[int, float] = {}
    groups = [(0, len(at))]
    while groups:
        first, last = groups.pop()
        if not matters(first, last):
            continue
        if last - first > 1:
            middle = (first + last) // 2
            groups += [(first, middle), (middle, last)]
            continue
        up, down = at.copy(), at.copy()
        up[first] += step[first]
        down[first] -= step[first]
        slopes[first] = (function(up) - function(down)) / (2 * step[first])
        if len(slopes) > _MOST:
            raise VedetteError("the confidence of a detection depends on too many of the network's numbers")
    return {number: slope for number, slope in slopes.items() if slope}
