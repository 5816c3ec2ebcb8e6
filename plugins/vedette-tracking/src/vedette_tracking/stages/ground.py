"""The stage ``ground``: where tracks are on the ground and how fast, by a homography of a fixed camera."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from vedette.errors import PluginError
from vedette.events import EventDraft
from vedette.results import Detections
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_tracking.geometry import anchors_of, apply_homography, homography
from vedette_tracking.results import GroundMotion
from vedette_tracking.stages.areas import Anchor, Point, for_class
from vedette_tracking.stages.moments import moment_of

TRACKS = "tracks"
CALM = 0.9
"""Who was too fast is so again only after being slower than this part of the limit."""

Speed = Annotated[float, msgspec.Meta(gt=0, le=1000)]


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``ground``.

    Attributes
    ----------
    picture, ground
        Four or more points on the ground, as x, y in pixels and as x, y in metres, in the same order; no three of four
        on one line.
    drawn_on
        Width and height of the picture in which ``picture`` was measured; default: that of the frames.
    anchor
        The point of a box that touches the ground.
    smooth_s
        Time constant of the velocity in seconds of capture: after a change of speed 63 % of it are seen.
    limit
        Metres per second from which on ``speed.exceeded`` is raised, once until it is slower again: a number, or one
        per label; default: never.
    lost_s
        What was not seen for longer begins anew.
    """

    picture: tuple[Point, ...]
    ground: tuple[Point, ...]
    drawn_on: tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[int, msgspec.Meta(ge=1)]] | None = None
    anchor: Anchor = "bottom_center"
    smooth_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.5
    limit: Speed | dict[str, Speed] = {}
    lost_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 2.0

    def __post_init__(self) -> None:
        if len(self.picture) != len(self.ground) or len(self.picture) < 4:
            raise ValueError("picture and ground need the same four points or more")


class Mover(msgspec.Struct, frozen=True):
    """A track on the ground: metres, metres per second, when it was seen, and whether it is too fast."""

    x: float
    y: float
    vx: float
    vy: float
    seen_ns: int
    fast: bool = False

    @property
    def speed(self) -> float:
        return float(np.hypot(self.vx, self.vy))


class State(msgspec.Struct):
    """Of one stream, by ``track_id``."""

    movers: dict[int, Mover] = {}


class Ground:
    """Gives :class:`~vedette_tracking.results.GroundMotion`. Tracks on or beyond the horizon have no row.

    ``speed.exceeded`` is about ``track:ID`` and has ``track_id``, ``class_id``, ``label`` and ``speed`` in m/s.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._matrix = homography(np.array(params.picture), np.array(params.ground))
        here = np.append(np.array(params.picture).mean(axis=0), 1.0)
        self._near = np.sign(self._matrix[2] @ here)
        """The sign that the third coordinate has on this side of the horizon."""

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """One frame."""
        tracks = inputs.results[TRACKS]
        assert isinstance(tracks, Detections)
        if tracks.track_id is None and len(tracks):
            raise PluginError(
                "stage 'ground': the boxes have no track_id", fix="put a tracker in front of it"
            )
        now_ns = moment_of(inputs.frame.clock).time_ns
        scale = np.array(self._params.drawn_on or inputs.frame.size_wh) / np.array(inputs.frame.size_wh)
        points = anchors_of(tracks.xyxy.astype(np.float64), self._params.anchor) * scale
        rows = np.flatnonzero((points @ self._matrix[2, :2] + self._matrix[2, 2]) * self._near > 1e-9)
        places = apply_homography(self._matrix, points[rows])
        ids = [] if tracks.track_id is None else tracks.track_id[rows].tolist()
        self._forget(state, now_ns)
        events: list[EventDraft] = []
        for row, key, (x, y) in zip(rows.tolist(), ids, places.tolist(), strict=True):
            mover = self._moved(state.movers.get(key), x, y, now_ns)
            state.movers[key] = self._judged(mover, key, int(tracks.class_id[row]), tracks.labels, events)
        movers = [state.movers[key] for key in ids]
        return StageOutput(
            result=GroundMotion(
                xy=np.array([(its.x, its.y) for its in movers], np.float32).reshape(-1, 2),
                velocity=np.array([(its.vx, its.vy) for its in movers], np.float32).reshape(-1, 2),
                source=inputs.stages.get(TRACKS, TRACKS),
                source_row=rows.astype(np.int32),
            ),
            events=tuple(events),
        )

    def save(self, state: State) -> State:
        return state

    def load(self, saved: object, shift_ns: int) -> State:
        state = msgspec.convert(saved, State)
        state.movers = {
            key: msgspec.structs.replace(its, seen_ns=its.seen_ns + shift_ns)
            for key, its in state.movers.items()
        }
        return state

    def _forget(self, state: State, now_ns: int) -> None:
        lost_ns = self._params.lost_s * 1e9
        state.movers = {key: its for key, its in state.movers.items() if 0 <= now_ns - its.seen_ns <= lost_ns}

    def _moved(self, before: Mover | None, x: float, y: float, now_ns: int) -> Mover:
        """A first-order lag of the velocity, whatever the time between frames."""
        if before is None:
            return Mover(x, y, 0.0, 0.0, now_ns)
        seconds = (now_ns - before.seen_ns) / 1e9
        if seconds <= 0:
            return before
        keep = float(np.exp(-seconds / self._params.smooth_s)) if self._params.smooth_s else 0.0
        vx, vy = (x - before.x) / seconds, (y - before.y) / seconds
        return Mover(x, y, vx + (before.vx - vx) * keep, vy + (before.vy - vy) * keep, now_ns, before.fast)

    def _judged(
        self, mover: Mover, key: int, class_id: int, labels: tuple[str, ...], events: list[EventDraft]
    ) -> Mover:
        label = labels[class_id] if class_id < len(labels) else str(class_id)
        limit = for_class(self._params.limit, label)
        if limit is None:
            return mover
        fast = mover.speed > (CALM * limit if mover.fast else limit)
        if fast and not mover.fast:
            who = {"track_id": key, "class_id": class_id, "label": label}
            events.append(
                EventDraft(
                    kind="speed.exceeded",
                    subject=f"track:{key}",
                    data={**who, "speed": round(mover.speed, 3)},
                )
            )
        return msgspec.structs.replace(mover, fast=fast)


SPEC = StageSpec(
    name="ground",
    summary="Where tracks are on the ground and how fast, by a homography of a fixed camera.",
    takes={TRACKS: Detections},
    gives=GroundMotion,
    ordered=True,
    params=Params,
    build=Ground,
)
