"""Record: a packet without its pixels, as one JSON object, and back.

A line of a JSON Lines file is one of three objects.

*A packet*::

    {"stream": "gate", "epoch": 0, "ticket": 7, "seq": 7, "size_wh": [768, 432],
     "clock": {"mono_ns": 1, "wall_ns": 2, "media_ns": 700000000, "uncertainty_ns": 0, "origin": "pts"},
     "stages": {"detect": {"outcome": "ran", "result": {"type": "detections", "class_name": ["person"], ...}},
                "faces": {"outcome": "not_run", "reason": "rate"},
                "embed": {"outcome": "failed", "error": {"type": "BackendError", "message": "..."}},
                "track": {"outcome": "quarantined"}}}

``result`` is what :meth:`vedette.results.Result.to_builtins` gives, without ``labels`` and, where there are labels,
with ``class_name`` beside ``class_id``; ``null`` where the stage gives no result.

*The names of a stage's classes*, before the first packet that needs them and whenever they change::

    {"stage": "detect", "labels": ["person", "bicycle"]}

*An event*: ``{"event": {"id": ..., "kind": ..., ...}}``, the fields of :class:`vedette.events.Event`; bytes in base64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from vedette.errors import PipelineError, ResultError, VedetteError
from vedette.events import Event
from vedette.frame import Clock
from vedette.packet import Failed, NotRun, Outcome, Packet, Quarantined, Ran
from vedette.results import RESULT_TYPES, Result, from_builtins, type_name

Labels = dict[str, tuple[str, ...]]
"""The names of the classes, by stage."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What a packet said, read back. The fields are those of :class:`vedette.frame.Frame` and
    :class:`vedette.packet.Packet`; the error of a :class:`~vedette.packet.Failed` is a
    :class:`~vedette.errors.VedetteError` with the type and text of the original."""

    stream: str
    epoch: int
    ticket: int
    seq: int
    size_wh: tuple[int, int]
    clock: Clock
    outcome: Mapping[str, Outcome]

    @property
    def results(self) -> dict[str, Result]:
        """The results of the stages that ran, by stage name."""
        return {
            name: outcome.result
            for name, outcome in self.outcome.items()
            if isinstance(outcome, Ran) and outcome.result is not None
        }


class _EventLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    event: Event


def packet_line(packet: Packet) -> bytes:
    """The JSON object of a packet, without a line break."""
    frame = packet.frame
    return msgspec.json.encode(
        {
            "stream": frame.stream,
            "epoch": frame.epoch,
            "ticket": frame.ticket,
            "seq": frame.seq,
            "size_wh": frame.size_wh,
            "clock": frame.clock,
            "stages": {name: _outcome(outcome) for name, outcome in packet.outcome.items()},
        }
    )


def label_lines(packet: Packet, known: Labels) -> list[bytes]:
    """The JSON objects of the labels that ``known`` does not hold yet; adds them to it."""
    lines = []
    for stage, result in packet.results.items():
        if known.get(stage, ()) != result.labels:
            known[stage] = result.labels
            lines.append(msgspec.json.encode({"stage": stage, "labels": result.labels}))
    return lines


def event_line(event: Event) -> bytes:
    """The JSON object of an event, without a line break.

    Raises
    ------
    PipelineError
        ``event.data`` holds something that JSON has no form for.
    """
    try:
        return msgspec.json.encode(_EventLine(event), enc_hook=_plain_number)
    except (TypeError, NotImplementedError) as error:
        raise PipelineError(
            f"event {event.kind!r} of stage {event.stage!r} cannot be written as JSON: {error}",
            fix="put only text, numbers, lists and dicts with text keys into the data of an event",
        ) from error


def parse_line(
    line: bytes, labels: Labels, types: tuple[type[Result], ...] = RESULT_TYPES
) -> Record | Event | None:
    """Reverse of the functions above. ``None`` for a line of labels, which are added to ``labels``.

    Raises
    ------
    ResultError
        The line is not one of the three objects, or a result is of none of ``types`` or broken.
    """
    try:
        plain = msgspec.json.decode(line, type=dict[str, Any])
        if "event" in plain:
            return msgspec.json.decode(line, type=_EventLine).event
        if "labels" in plain:
            labels[plain["stage"]] = tuple(plain["labels"])
            return None
        outcome = {
            name: _parse_outcome(name, value, labels, types) for name, value in plain["stages"].items()
        }
        return Record(
            stream=plain["stream"],
            epoch=plain["epoch"],
            ticket=plain["ticket"],
            seq=plain["seq"],
            size_wh=msgspec.convert(plain["size_wh"], tuple[int, int]),
            clock=msgspec.convert(plain["clock"], Clock),
            outcome=outcome,
        )
    except KeyError as error:
        raise ResultError(f"not a line that Vedette wrote: it lacks {error}") from error
    except (msgspec.MsgspecError, TypeError, AttributeError) as error:
        raise ResultError(f"not a line that Vedette wrote: {error}") from error


def class_name(labels: tuple[str, ...], class_id: int) -> str:
    """The name of a class, or ``class 7`` where it has none."""
    return labels[class_id] if 0 <= class_id < len(labels) else f"class {class_id}"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Ran(result):
            return {"outcome": "ran", "result": None if result is None else _result(result)}
        case NotRun(reason):
            return {"outcome": "not_run", "reason": reason}
        case Failed(error):
            return {"outcome": "failed", "error": {"type": type_name(error), "message": str(error)}}
        case Quarantined():
            return {"outcome": "quarantined"}


def _result(result: Result) -> dict[str, Any]:
    plain = result.to_builtins()
    plain.pop("labels", None)
    if result.labels and "class_id" in plain:
        plain["class_name"] = _names(result.labels, plain["class_id"])
    return plain


def _names(labels: tuple[str, ...], ids: Any) -> Any:
    return class_name(labels, ids) if isinstance(ids, int) else [_names(labels, item) for item in ids]


def _parse_outcome(
    stage: str, plain: dict[str, Any], labels: Labels, types: tuple[type[Result], ...]
) -> Outcome:
    match plain:
        case {"outcome": "ran", "result": None}:
            return Ran(None)
        case {"outcome": "ran", "result": dict(columns)}:
            columns.pop("class_name", None)
            return Ran(from_builtins({**columns, "labels": list(labels.get(stage, ()))}, types))
        case {"outcome": "not_run", "reason": "rate" | "no_input" | "window" as reason}:
            return NotRun(reason)
        case {"outcome": "failed", "error": {"type": kind, "message": message}}:
            return Failed(VedetteError(f"{kind}: {message}"))
        case {"outcome": "quarantined"}:
            return Quarantined()
    raise ResultError(f"stage {stage!r} has no outcome that is known: {plain}")


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"a value of type {type_name(value)}")
