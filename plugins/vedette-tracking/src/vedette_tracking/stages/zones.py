"""The stage ``zones``: who enters, stays and leaves, who crosses which line, and how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from vedette.errors import PluginError
from vedette.events import EventDraft
from vedette.results import Detections
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_tracking.crossing import Approach, Visit, approach, visit
from vedette_tracking.geometry import Floats, anchors_of, distance_inside
from vedette_tracking.results import ZoneCounts
from vedette_tracking.stages.areas import Area, Line, Params, Zone, for_class
from vedette_tracking.stages.moments import Moment, moment_of

TRACKS = "tracks"


class Tally(msgspec.Struct):
    """How many of a class came in and went out."""

    in_count: int = 0
    out_count: int = 0


class ZoneState(msgspec.Struct):
    """Of a zone: its ``shape`` as text, who is in it by ``track_id``, and counts by ``class_id``."""

    shape: str
    visits: dict[int, Visit] = {}
    tallies: dict[int, Tally] = {}


class LineState(msgspec.Struct):
    """Of a line: its ``shape`` as text, who was where, and counts by ``class_id``."""

    shape: str
    approaches: dict[int, Approach] = {}
    tallies: dict[int, Tally] = {}


class State(msgspec.Struct):
    """Of one stream, by name of zone and line."""

    zones: dict[str, ZoneState] = {}
    lines: dict[str, LineState] = {}
    now: Moment = Moment()
    labels: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """One track in one frame."""

    track_id: int
    class_id: int
    label: str
    confidence: float
    xy: tuple[float, float]
    height: float


class Zones:
    """Gives :class:`~vedette_tracking.results.ZoneCounts`, and raises ``zone.entered``, ``zone.dwell``, ``zone.left``
    and ``line.crossed`` about ``track:ID``.

    ``data`` has ``zone`` or ``line``, ``track_id``, ``class_id``, ``label``, ``in_count`` and ``out_count`` of the
    class. ``zone.left`` and ``zone.dwell`` have ``dwell_s``, ``zone.left`` also ``reason``: ``left``, ``lost`` (not
    seen any more) or ``end`` (of the stream); ``line.crossed`` has ``direction``: ``in`` or ``out``. Who comes in
    always goes out: ``in_count - out_count`` are present.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._lost_ns = round(params.lost_s * 1e9)

    def start(self, stream: str) -> State:
        return State()

    def renew(self, state: State) -> State:
        """Counts go on; what moves is other things."""
        zones = {name: ZoneState(zone.shape, {}, zone.tallies) for name, zone in state.zones.items()}
        lines = {name: LineState(line.shape, {}, line.tallies) for name, line in state.lines.items()}
        return State(zones, lines, state.now, state.labels)

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """One frame."""
        tracks = inputs.results[TRACKS]
        assert isinstance(tracks, Detections)
        self._fit(state)
        state.now, state.labels = moment_of(inputs.frame.clock), tracks.labels
        drawn_on = self._params.drawn_on or inputs.frame.size_wh
        scale = np.array(inputs.frame.size_wh) / np.array(drawn_on)
        seen = self._seen(tracks)
        events: list[EventDraft] = []
        for zone in self._params.zone:
            events += self._in_zone(zone, state, _of(zone, seen), zone.shape(scale))
        for line in self._params.line:
            events += self._at_line(line, state, _of(line, seen), line.shape(scale))
        return StageOutput(result=self._counts(state), events=tuple(events))

    def end(self, state: State) -> Iterable[EventDraft]:
        """Who is in a zone leaves it with the last frame."""
        return [
            event
            for name, zone in state.zones.items()
            for track_id in list(zone.visits)
            for event in _leave(name, state, track_id, "end")
        ]

    def save(self, state: State) -> State:
        return state

    def load(self, saved: object, shift_ns: int) -> State:
        state = msgspec.convert(saved, State)
        state.now = state.now.shifted(shift_ns)
        for zone in state.zones.values():
            zone.visits = {
                key: msgspec.structs.replace(
                    item, entered_ns=item.entered_ns + shift_ns, seen_ns=item.seen_ns + shift_ns
                )
                for key, item in zone.visits.items()
            }
        for line in state.lines.values():
            line.approaches = {
                key: msgspec.structs.replace(item, seen_ns=item.seen_ns + shift_ns)
                for key, item in line.approaches.items()
            }
        return state

    def _fit(self, state: State) -> None:
        """Begin anew where a shape is another one than that of the state, forget what is not there any more."""
        params = self._params
        rest = (params.anchor, params.drawn_on)
        zones, lines = dict[str, ZoneState](), dict[str, LineState]()
        for zone in params.zone:
            shape = repr((zone.polygon, *rest))
            before = state.zones.get(zone.name)
            zones[zone.name] = before if before and before.shape == shape else ZoneState(shape)
        for line in params.line:
            shape = repr((line.start, line.end, *rest))
            earlier = state.lines.get(line.name)
            lines[line.name] = earlier if earlier and earlier.shape == shape else LineState(shape)
        state.zones, state.lines = zones, lines

    def _seen(self, tracks: Detections) -> list[Seen]:
        if tracks.track_id is None:
            if len(tracks):
                raise PluginError(
                    "stage 'zones': the boxes have no track_id", fix="put a tracker in front of it"
                )
            return []
        boxes = tracks.xyxy.astype(np.float64)
        columns = zip(
            tracks.track_id.tolist(),
            tracks.class_id.tolist(),
            tracks.confidence.tolist(),
            anchors_of(boxes, self._params.anchor).tolist(),
            (boxes[:, 3] - boxes[:, 1]).tolist(),
            strict=True,
        )
        return [
            Seen(track, kind, _label(tracks.labels, kind), confidence, (x, y), height)
            for track, kind, confidence, (x, y), height in columns
        ]

    def _in_zone(self, zone: Zone, state: State, seen: list[Seen], polygon: Floats) -> Iterator[EventDraft]:
        kept, now_ns = state.zones[zone.name], state.now.time_ns
        inside = distance_inside(np.array([item.xy for item in seen]).reshape(-1, 2), polygon).tolist()
        for item, depth in zip(seen, inside, strict=True):
            before = kept.visits.get(item.track_id)
            after = visit(before, depth, zone.margin * item.height, item.class_id, now_ns)
            if after is None:
                if before is not None:
                    yield from _leave(zone.name, state, item.track_id, "left")
                continue
            kept.visits[item.track_id] = after
            if before is None:
                _tally(kept, item.class_id).in_count += 1
                yield _event("zone.entered", {"zone": zone.name}, kept, state, item.track_id, after.class_id)
            limit = for_class(zone.dwell_s, item.label)
            if limit is not None and not after.dwelt and after.seconds >= limit:
                kept.visits[item.track_id] = msgspec.structs.replace(after, dwelt=True)
                yield _visited("zone.dwell", zone.name, state, item.track_id, after)
        for track_id, gone in list(kept.visits.items()):
            if not 0 <= now_ns - gone.seen_ns <= self._lost_ns:
                yield from _leave(zone.name, state, track_id, "lost")

    def _at_line(self, line: Line, state: State, seen: list[Seen], shape: Floats) -> Iterator[EventDraft]:
        kept, now_ns, (start, end) = state.lines[line.name], state.now.time_ns, shape
        kept.approaches = {
            key: item for key, item in kept.approaches.items() if 0 <= now_ns - item.seen_ns <= self._lost_ns
        }
        for item in seen:
            before = kept.approaches.get(item.track_id)
            after, crossed = approach(before, item.xy, start, end, line.margin * item.height, now_ns)
            kept.approaches[item.track_id] = after
            if crossed:
                tally = _tally(kept, item.class_id)
                tally.in_count += crossed > 0
                tally.out_count += crossed < 0
                where = {"line": line.name, "direction": "in" if crossed > 0 else "out"}
                yield _event("line.crossed", where, kept, state, item.track_id, item.class_id)

    def _counts(self, state: State) -> ZoneCounts:
        rows: list[tuple[int, int, int, int, int]] = []
        areas: list[ZoneState | LineState] = [*state.zones.values(), *state.lines.values()]
        for number, area in enumerate(areas):
            for class_id, tally in sorted(area.tallies.items()):
                present = tally.in_count - tally.out_count if isinstance(area, ZoneState) else 0
                rows.append((number, class_id, present, tally.in_count, tally.out_count))
        table = np.array(rows, np.int64).reshape(-1, 5)
        return ZoneCounts(
            zone=table[:, 0].astype(np.int32),
            class_id=table[:, 1].astype(np.int32),
            present=table[:, 2].copy(),
            in_count=table[:, 3].copy(),
            out_count=table[:, 4].copy(),
            labels=state.labels,
        )


def _of(area: Area, seen: list[Seen]) -> list[Seen]:
    """Whom a zone or line looks at."""
    return [
        item
        for item in seen
        if (not area.classes or item.label in area.classes)
        and item.confidence >= (for_class(area.minimum_confidence, item.label) or 0.0)
    ]


def _leave(zone: str, state: State, track_id: int, reason: str) -> Iterator[EventDraft]:
    kept = state.zones[zone]
    gone = kept.visits.pop(track_id)
    _tally(kept, gone.class_id).out_count += 1
    yield _visited(
        "zone.left", zone, state, track_id, gone, t_end_ns=state.now.wall_at(gone.seen_ns), reason=reason
    )


def _visited(
    kind: str, zone: str, state: State, track_id: int, its: Visit, t_end_ns: int | None = None, **data: Any
) -> EventDraft:
    """About a visit, with when it began."""
    where = {"zone": zone, "dwell_s": round(its.seconds, 6), **data}
    draft = _event(kind, where, state.zones[zone], state, track_id, its.class_id)
    return EventDraft(
        kind=kind,
        subject=draft.subject,
        t_start_ns=state.now.wall_at(its.entered_ns),
        t_end_ns=t_end_ns,
        data=draft.data,
    )


def _event(
    kind: str, where: dict[str, Any], area: ZoneState | LineState, state: State, track_id: int, class_id: int
) -> EventDraft:
    tally = _tally(area, class_id)
    who = {"track_id": track_id, "class_id": class_id, "label": _label(state.labels, class_id)}
    counts = {"in_count": tally.in_count, "out_count": tally.out_count}
    return EventDraft(kind=kind, subject=f"track:{track_id}", data={**where, **who, **counts})


def _tally(area: ZoneState | LineState, class_id: int) -> Tally:
    return area.tallies.setdefault(class_id, Tally())


def _label(labels: tuple[str, ...], class_id: int) -> str:
    return labels[class_id] if class_id < len(labels) else str(class_id)


def _any_parameters(params: Params) -> str:
    """Each zone and line says for itself what its counts belong to."""
    return ""


SPEC = StageSpec(
    name="zones",
    summary="Who enters, stays and leaves, who crosses which line, and how many.",
    takes={TRACKS: Detections},
    gives=ZoneCounts,
    ordered=True,
    params=Params,
    build=Zones,
    state_key=_any_parameters,
)
