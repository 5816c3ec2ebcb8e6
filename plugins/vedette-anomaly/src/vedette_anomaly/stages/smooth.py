"""``anomaly_smooth``: one frame's score says little; what is unusual stays for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp
from typing import Annotated

import msgspec
import numpy as np

from vedette.errors import PluginError
from vedette.frame import Frame
from vedette.results import AnomalyMap, Result
from vedette.specs import StageInputs, StageSpec


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``time_s``: after so many seconds a score counts for 1/e of what it did. The default is a weight of 0.2 for each
    of ten frames per second."""

    time_s: Annotated[float, msgspec.Meta(gt=0)] = 0.448


@dataclass(slots=True)
class State:
    """The smoothed score, and the time that it is of."""

    score: float | None = None
    time_ns: int = 0


class Smooth:
    """An exponential mean over time, by the frames' clock, so that it does not depend on their rate."""

    def __init__(self, params: Params) -> None:
        self._time_ns = params.time_s * 1e9

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> Result:
        """The same map with its score smoothed; ``heat`` stays that of the frame.

        Raises
        ------
        PluginError
            There are several rows: nothing says which of an earlier frame each belongs to.
        """
        found = inputs.results["anomaly"]
        assert isinstance(found, AnomalyMap)
        if len(found) > 1:
            raise PluginError(
                f"anomaly_smooth takes one score per frame, and there are {len(found)}",
                fix="let the model look at whole frames (no `on` in its stage)",
            )
        if not len(found):
            return found
        now_ns = capture_ns(inputs.frame)
        score = float(found.score[0])
        if state.score is not None:
            weight = 1 - exp(-max(now_ns - state.time_ns, 0) / self._time_ns)
            score = state.score + weight * (score - state.score)
        state.score, state.time_ns = score, now_ns
        return replace(found, score=np.array([score], np.float32))

    def save(self, state: State) -> dict[str, float | None]:
        return {"score": state.score, "time_ns": state.time_ns}

    def load(self, saved: dict[str, float | None], shift_ns: int) -> State:
        return State(saved["score"], int(saved["time_ns"] or 0) + shift_ns)


def capture_ns(frame: Frame) -> int:
    """When it was captured: by the medium's clock where there is one."""
    return frame.clock.mono_ns if frame.clock.media_ns is None else frame.clock.media_ns


SPEC = StageSpec(
    name="anomaly_smooth",
    summary="The score of an anomaly map, smoothed in time.",
    params=Params,
    build=Smooth,
    takes={"anomaly": AnomalyMap},
    gives=AnomalyMap,
    ordered=True,
)
