"""The stages ``tracker`` and ``appearance-tracker``: each box gets the identity of the object that it shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.events import EventDraft
from vedette.frame import Frame
from vedette.results import Detections, Embedding
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_tracking.identity import track_id
from vedette_tracking.stages.moments import Moment, moment_of
from vedette_tracking.tracks import Found, Rules, Step, Table, Tracks, step, track_dtype

BOXES = "boxes"
APPEARANCE = "appearance"
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``tracker``. The defaults are those of the ByteTrack paper; have the detector keep boxes
    down to ``low_confidence``. All of them can be changed while tracks go on.

    Attributes
    ----------
    high_confidence
        Boxes from this on are given to tracks first.
    low_confidence
        Boxes from this on are given to tracks that would else be lost; those below are left out.
    activation_confidence
        A box that belongs to no track begins one from this on. Small detectors are rarely so sure: 0.5 for them.
    minimum_iou
        A box belongs to a track only if it overlaps so much with where the track is expected.
    minimum_iou_low
        The same for boxes of low confidence.
    minimum_consecutive_frames
        A track is told once it was seen so often, without a frame between that lacks it.
    lost_s
        A track that was not seen for longer, in seconds of capture, is over.
    by_class
        Whether a track keeps its class. ``false`` for detectors that take a truck for a bus now and then.
    events
        Whether ``track.appeared`` and ``track.lost`` are raised.
    """

    high_confidence: Share = 0.6
    low_confidence: Share = 0.1
    activation_confidence: Share = 0.7
    minimum_iou: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.15
    minimum_iou_low: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    minimum_consecutive_frames: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 2
    lost_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 1.0
    by_class: bool = True
    events: bool = False

    def __post_init__(self) -> None:
        if not self.low_confidence <= self.high_confidence <= self.activation_confidence:
            raise ValueError(
                "low_confidence, high_confidence and activation_confidence must rise in this order"
            )


class AppearanceParams(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``appearance-tracker``: those of ``tracker``, and one more.

    Attributes
    ----------
    minimum_likeness
        Cosine of two embeddings from which on they may show the same object, even without overlap.
    """

    minimum_likeness: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.7


@dataclass(slots=True, eq=False)
class State:
    """Of one stream. ``origin`` is what its tracks' names are made of, see :mod:`vedette_tracking.identity`."""

    origin: str = ""
    tracks: Tracks | None = None
    labels: tuple[str, ...] = ()
    now: Moment = Moment()  # noqa: RUF009 - frozen


class Saved(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A :class:`State` as plain values; ``table`` has the columns of the tracks."""

    origin: str
    labels: tuple[str, ...]
    now: Moment
    begun: int
    dimensions: int | None
    table: dict[str, Any]


class Tracker:
    """Gives the boxes that belong to confirmed tracks, with ``track_id``. ``source_row`` says which rows of the
    detector's they are.

    ``track.appeared`` has ``label``, ``class_id``, ``track_id`` as data and when the track was seen first as
    ``t_start_ns``; ``track.lost`` has when it was seen last as ``t_end_ns``, and ``sights``.
    """

    def __init__(self, params: Params) -> None:
        self._events = params.events
        self._rules = Rules(
            high_confidence=params.high_confidence,
            low_confidence=params.low_confidence,
            activation_confidence=params.activation_confidence,
            minimum_iou=params.minimum_iou,
            minimum_iou_low=params.minimum_iou_low,
            minimum_sights=params.minimum_consecutive_frames,
            lost_ns=round(params.lost_s * 1e9),
            by_class=params.by_class,
            minimum_likeness=params.minimum_likeness if isinstance(params, AppearanceParams) else 1.0,
        )

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """One frame."""
        boxes = inputs.results[BOXES]
        assert isinstance(boxes, Detections)
        appearance = _appearance_of(inputs, len(boxes))
        if state.tracks is None:
            state.origin = _origin(inputs.frame)
        if state.tracks is None or (len(appearance) and not len(state.tracks.table)):
            state.tracks = replace(
                state.tracks or Tracks.none(), table=Tracks.none(appearance.shape[1]).table
            )
        if not len(appearance):
            appearance = np.zeros((0, state.tracks.table["appearance"].shape[1]), np.float32)
        found = Found(boxes.xyxy.astype(np.float64), boxes.confidence, boxes.class_id, appearance)
        state.labels, state.now = boxes.labels, moment_of(inputs.frame.clock)
        done = step(state.tracks, found, self._rules, state.now.time_ns)
        state.tracks = done.tracks
        return StageOutput(
            result=_named(boxes, done, state.origin, inputs.stages.get(BOXES, BOXES)),
            events=(*self._lost(state, done.lost), *self._appeared(state, done.appeared)),
        )

    def end(self, state: State) -> Iterable[EventDraft]:
        """Whoever is still there is lost with the last frame."""
        if state.tracks is None:
            return []
        return self._lost(state, state.tracks.table[state.tracks.table["confirmed"]])

    def save(self, state: State) -> Saved:
        tracks = state.tracks or Tracks.none()
        names = tracks.table.dtype.names or ()
        return Saved(
            origin=state.origin,
            labels=state.labels,
            now=state.now,
            begun=tracks.begun,
            dimensions=None if state.tracks is None else tracks.table["appearance"].shape[1],
            table={name: np.ascontiguousarray(tracks.table[name]) for name in names},
        )

    def load(self, saved: object, shift_ns: int) -> State:
        plain = msgspec.convert(saved, Saved)
        state = State(plain.origin, None, plain.labels, plain.now.shifted(shift_ns))
        if plain.dimensions is None:
            return state
        dtype = track_dtype(plain.dimensions)
        if plain.table.keys() != set(dtype.names or ()):
            raise ValueError("its tracks have other columns")
        table = np.zeros(len(plain.table["number"]), dtype)
        for name, column in plain.table.items():
            if column.shape != table[name].shape or column.dtype != table[name].dtype:
                raise ValueError(f"its tracks have another kind of {name!r}")
            table[name] = column
        table["born_ns"] += shift_ns
        table["seen_ns"] += shift_ns
        state.tracks = Tracks(table, state.now.time_ns, plain.begun)
        return state

    def _appeared(self, state: State, tracks: Table) -> Iterable[EventDraft]:
        return (
            EventDraft(
                kind="track.appeared",
                subject=f"track:{track_id(state.origin, int(track['number']))}",
                t_start_ns=state.now.wall_at(int(track["born_ns"])),
                data=_told(state, track),
            )
            for track in (tracks if self._events else ())
        )

    def _lost(self, state: State, tracks: Table) -> Iterable[EventDraft]:
        return (
            EventDraft(
                kind="track.lost",
                subject=f"track:{track_id(state.origin, int(track['number']))}",
                t_start_ns=state.now.wall_at(int(track["born_ns"])),
                t_end_ns=state.now.wall_at(int(track["seen_ns"])),
                data={**_told(state, track), "sights": int(track["sights"])},
            )
            for track in (tracks if self._events else ())
        )


def _origin(frame: Frame) -> str:
    """What tells the tracks of a run from all others. A file that is read again is the same run; a camera is not."""
    begun = "" if frame.clock.origin == "pts" else str(frame.clock.wall_ns)
    return f"{frame.stream}\0{frame.epoch}\0{begun}"


def _appearance_of(inputs: StageInputs, boxes: int) -> NDArray[np.float32]:
    """``(boxes, d)``: a vector for each box, zeros for those that nobody looked at, and ``d`` 0 where nobody looked at
    any."""
    looks = inputs.results.get(APPEARANCE)
    if looks is None or not boxes:
        return np.zeros((boxes, 0), np.float32)
    assert isinstance(looks, Embedding)
    source = inputs.stages.get(BOXES, looks.source)
    if looks.source != source or (len(looks) and looks.source_row.max() >= boxes):
        raise PluginError(
            f"stage 'appearance-tracker': the embeddings look at rows of {looks.source!r}, not of {source!r}",
            fix=f'have the embedding model work on = "{source}"',
        )
    vectors = np.zeros((boxes, looks.vector.shape[1]), np.float32)
    vectors[looks.source_row] = looks.vector
    return vectors


def _named(boxes: Detections, done: Step, origin: str, source: str) -> Detections:
    """The boxes that belong to a confirmed track."""
    rows = np.flatnonzero(done.number)
    ids = [track_id(origin, number) for number in done.number[rows].tolist()]
    return replace(
        boxes.select(rows),
        source=source,
        source_row=rows.astype(np.int32),
        track_id=np.array(ids, np.int64),
    )


def _told(state: State, track: Any) -> dict[str, Any]:
    class_id = int(track["class_id"])
    label = state.labels[class_id] if class_id < len(state.labels) else str(class_id)
    return {
        "track_id": track_id(state.origin, int(track["number"])),
        "class_id": class_id,
        "label": label,
    }


def _any_parameters(params: Params) -> str:
    """Tracks go on under other parameters."""
    return ""


TRACKER = StageSpec(
    name="tracker",
    summary="Gives each box the identity of the object that it shows, by where it moves (BYTE).",
    takes={BOXES: Detections},
    gives=Detections,
    ordered=True,
    params=Params,
    build=Tracker,
    state_key=_any_parameters,
)
APPEARANCE_TRACKER = StageSpec(
    name="appearance-tracker",
    summary="As tracker, and by what it looks like: takes the embeddings of the boxes besides.",
    takes={BOXES: Detections, APPEARANCE: Embedding},
    gives=Detections,
    ordered=True,
    params=AppearanceParams,
    build=Tracker,
    state_key=_any_parameters,
)
