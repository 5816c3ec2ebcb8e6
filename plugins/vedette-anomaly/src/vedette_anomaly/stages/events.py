"""``anomaly_events``: something unusual began, and was over, with a picture of where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

from vedette.bundle.samples import encode_png
from vedette.events import EventDraft, Evidence
from vedette.explain.picture import overlay
from vedette.explain.saliency import Saliency, Target
from vedette.frame import Frame
from vedette.results import AnomalyMap
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_anomaly.stages.regions import regions_of
from vedette_anomaly.stages.smooth import capture_ns

STARTED, ENDED = "anomaly.started", "anomaly.ended"


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    threshold
        Of the score; 1 is the alarm of the bundle.
    release
        The anomaly is over when the score is below this share of the threshold.
    least_s
        It is one only when the score was above the threshold for so long.
    hold_s
        It is over only when the score was low for so long; a new rise within that time goes on with it.
    picture
        Whether its beginning carries a picture of the frame with the heat over it.
    """

    threshold: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    release: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    least_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    hold_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    picture: bool = True


@dataclass(slots=True)
class State:
    """``since``, ``low`` and ``last``: when the score rose and fell and was last seen, by the capture clock;
    ``*_wall`` likewise by the wall clock. ``told``: whether the event was raised. ``peak``: the highest score of it."""

    since: int | None = None
    since_wall: int = 0
    low: int | None = None
    low_wall: int = 0
    told: bool = False
    peak: float = 0.0


class Events:
    """Two thresholds and two times keep one anomaly one event."""

    def __init__(self, params: Params) -> None:
        self._params = params

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """Frames that cannot be judged change nothing."""
        found = inputs.results["anomaly"]
        assert isinstance(found, AnomalyMap)
        if not len(found):
            return StageOutput()
        return StageOutput(events=tuple(self._judge(inputs.frame, found, state)))

    def end(self, state: State) -> Iterator[EventDraft]:
        """What still goes on when the stream is over ends with it."""
        if state.told:
            yield EventDraft(kind=ENDED, t_start_ns=state.since_wall, data={"peak": state.peak})

    def save(self, state: State) -> dict[str, Any]:
        return asdict(state)

    def load(self, saved: dict[str, Any], shift_ns: int) -> State:
        state = State(**saved)
        state.since = None if state.since is None else state.since + shift_ns
        state.low = None if state.low is None else state.low + shift_ns
        return state

    def _judge(self, frame: Frame, found: AnomalyMap, state: State) -> Iterator[EventDraft]:
        params, now, wall = self._params, capture_ns(frame), frame.clock.wall_ns
        row = int(found.score.argmax())
        score = float(found.score[row])
        if score >= params.threshold:
            if state.since is None:
                state.since, state.since_wall, state.peak = now, wall, score
            state.low = None
            if not state.told and now - state.since >= params.least_s * 1e9:
                state.told = True
                yield self._started(frame, found, row, score, state)
        elif score < params.threshold * params.release and state.since is not None:
            if not state.told:
                state.since = None
                return
            if state.low is None:
                state.low, state.low_wall = now, wall
            if now - state.low >= params.hold_s * 1e9:
                yield EventDraft(
                    kind=ENDED,
                    t_start_ns=state.since_wall,
                    t_end_ns=state.low_wall,
                    data={"peak": state.peak},
                )
                state.since, state.low, state.told = None, None, False
        state.peak = max(state.peak, score)

    def _started(self, frame: Frame, found: AnomalyMap, row: int, score: float, state: State) -> EventDraft:
        picture = (_picture(frame, found, row, score),) if self._params.picture else ()
        data: dict[str, Any] = {"score": score, "threshold": self._params.threshold}
        return EventDraft(
            kind=STARTED,
            t_start_ns=state.since_wall,
            data=data | {"xyxy": _hottest(found, row)},
            evidence=picture,
        )


def _hottest(found: AnomalyMap, row: int) -> list[float]:
    """The box of the hottest region: what is above half of the largest heat around it."""
    heat = found.heat[row]
    x0, y0, x1, y1, _ = regions_of(heat, float(heat.max()) / 2 if heat.max() > 0 else -np.inf)[0]
    left, top, right, bottom = found.xyxy[row].tolist()
    wide, high = (right - left) / heat.shape[1], (bottom - top) / heat.shape[0]
    return [left + x0 * wide, top + y0 * high, left + x1 * wide, top + y1 * high]


def _picture(frame: Frame, found: AnomalyMap, row: int, score: float) -> Evidence:
    left, top, right, bottom = found.xyxy[row].astype(np.float64).tolist()
    height, width = found.heat[row].shape
    affine = np.array([[(right - left) / width, 0, left], [0, (bottom - top) / height, top]])
    saliency = Saliency(
        heat=found.heat[row],
        affine=affine,
        size_wh=frame.size_wh,
        target=Target(class_id=0, label="anomaly", confidence=score),
        method="error",
        inferences=0,
    )
    return Evidence(
        media_type="image/png",
        data=encode_png(overlay(frame, saliency)),
        title=f"where it is unusual, at a score of {score:.2f}",
    )


SPEC = StageSpec(
    name="anomaly_events",
    summary="Events when something unusual begins and is over, with its heat map.",
    params=Params,
    build=Events,
    takes={"anomaly": AnomalyMap},
    ordered=True,
)
