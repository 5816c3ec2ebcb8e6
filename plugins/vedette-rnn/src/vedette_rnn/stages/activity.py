"""The stage ``activity``: what a clip model says over time, as events with a start and an end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from vedette.errors import PluginError
from vedette.events import EventDraft
from vedette.results import ClipPrediction
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_rnn.stages.spells import Change, Rules, Spell, finish, step

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``activity``. All times are seconds of capture, never frames.

    Attributes
    ----------
    labels
        The labels to watch, each by itself; default: all.
    on, off
        The smoothed confidence at which an activity starts, and below which it ends.
    smooth_s
        Time constant of the smoothing (exponential): after a step of the confidence 63 % of it have come through; 0:
        none.
    min_s
        What does not last so long is no activity. The start is told when it has lasted so long, with the time at which
        it began.
    merge_s
        An activity that goes on after no more than this is the same one, so its end is told so much later.
    max_gap_s
        After so long without an answer of the model an activity is over, with the latest answer.
    """

    labels: tuple[str, ...] = ()
    on: Share = 0.6
    off: Share = 0.4
    smooth_s: Seconds = 0.5
    min_s: Seconds = 1.0
    merge_s: Seconds = 1.0
    max_gap_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 5.0

    def __post_init__(self) -> None:
        if self.off > self.on:
            raise ValueError("off must not be above on: an activity would end as it starts")


class State(msgspec.Struct):
    """Of one stream: a spell per label, when each that was told began by the wall clock, and the latest frame."""

    spells: dict[str, Spell] = {}
    starts_ns: dict[str, int] = {}
    wall_ns: int = 0
    time_ns: int = 0


class Activity:
    """Raises ``activity.started`` and ``activity.ended`` per label.

    ``t_start_ns`` and ``t_end_ns`` are wall-clock times, a duration apart that is true by the clock of capture.
    ``data`` has ``label``, ``confidence`` (the highest so far, smoothed) and ``start_s``, ``end_s``: seconds on the
    medium's clock (in a file: its time stamps), where there is none on the monotonic one.
    """

    def __init__(self, params: Params) -> None:
        self._watched = frozenset(params.labels)
        self._rules = Rules(
            on=params.on,
            off=params.off,
            smooth_ns=round(params.smooth_s * 1e9),
            min_ns=round(params.min_s * 1e9),
            merge_ns=round(params.merge_s * 1e9),
            max_gap_ns=round(params.max_gap_s * 1e9),
        )

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        """One answer of the model. No rows: it did not look at anything, and nothing is concluded."""
        scores = self._scores(inputs.results["scores"])
        if not scores:
            return StageOutput()
        clock = inputs.frame.clock
        state.time_ns = clock.mono_ns if clock.media_ns is None else clock.media_ns
        state.wall_ns = clock.wall_ns
        drafts: list[EventDraft] = []
        for label, score in scores.items():
            state.spells[label], changes = step(state.spells.get(label), self._rules, state.time_ns, score)
            drafts += [self._draft(state, label, change) for change in changes]
        return StageOutput(events=tuple(drafts))

    def end(self, state: State) -> Iterable[EventDraft]:
        """What goes on when the stream or the epoch is over ends with its latest frame."""
        return [
            self._draft(state, label, change)
            for label, spell in state.spells.items()
            for change in finish(spell, self._rules)
        ]

    def save(self, state: State) -> State:
        return state

    def load(self, saved: object, shift_ns: int) -> State:
        state = msgspec.convert(saved, State)
        state.time_ns += shift_ns
        for spell in state.spells.values():
            spell.last_ns += shift_ns
            spell.begin_ns = None if spell.begin_ns is None else spell.begin_ns + shift_ns
            spell.end_ns = None if spell.end_ns is None else spell.end_ns + shift_ns
        return state

    def _scores(self, result: object) -> dict[str, float]:
        """The confidence of each watched label."""
        assert isinstance(result, ClipPrediction)
        if len(result) == 0:
            return {}
        if len(result) > 1:
            raise PluginError(
                f"stage 'activity' was given {len(result)} answers for one frame",
                fix="give it a model that looks at the whole frame",
            )
        names = result.labels
        scores = {
            names[number] if number < len(names) else str(number): confidence
            for number, confidence in zip(
                result.class_id[0].tolist(), result.confidence[0].tolist(), strict=True
            )
        }
        unknown = self._watched - (set(names) or scores.keys())
        if unknown:
            raise PluginError(
                f"stage 'activity': the model has no label {min(unknown)!r}",
                fix=f"labels are: {', '.join(names or scores)}",
            )
        watched = self._watched or frozenset(names) or scores.keys()
        missing = watched - scores.keys()
        if missing:
            raise PluginError(
                f"stage 'activity': the model's answer leaves out {min(missing)!r}",
                fix="leave out top_k of its decoder",
            )
        return {label: scores[label] for label in sorted(watched)}

    def _draft(self, state: State, label: str, change: Change) -> EventDraft:
        if change.end_ns is None:
            start_ns = state.starts_ns[label] = state.wall_ns - (state.time_ns - change.begin_ns)
        else:
            start_ns = state.starts_ns.pop(label)
        data = {"label": label, "confidence": round(change.peak, 6), "start_s": change.begin_ns / 1e9}
        if change.end_ns is None:
            return EventDraft(kind="activity.started", subject=label, t_start_ns=start_ns, data=data)
        return EventDraft(
            kind="activity.ended",
            subject=label,
            t_start_ns=start_ns,
            t_end_ns=start_ns + change.end_ns - change.begin_ns,
            data={**data, "end_s": change.end_ns / 1e9},
        )


SPEC = StageSpec(
    name="activity",
    summary="Events with a start and an end, from what a clip model says over time",
    takes={"scores": ClipPrediction},
    ordered=True,
    params=Params,
    build=Activity,
)
