"""Standard output: one line per packet, for people or, as JSON, for the next program."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Literal

import msgspec

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.frame import Frame
from vedette.packet import Failed, NotRun, Outcome, Packet, Quarantined, Ran
from vedette.results import AnomalyMap, Classification, ClipPrediction, Detections, Result
from vedette.sinks.record import Labels, class_name, event_line, label_lines, packet_line
from vedette.specs import SinkSpec


class StdoutParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``stdout``."""

    format: Literal["text", "json"] = "text"
    """``text``: a line to read; ``json``: the lines of :mod:`vedette.sinks.record`."""


class StdoutSink:
    """Writes each packet and event to standard output at once."""

    def __init__(self, params: StdoutParams) -> None:
        self._json = params.format == "json"
        self._labels: Labels = {}

    def write(self, packet: Packet) -> None:
        if self._json:
            for line in (*label_lines(packet, self._labels), packet_line(packet)):
                _print(line.decode())
        else:
            _print(packet_text(packet))

    def write_event(self, event: Event) -> None:
        _print(event_line(event).decode() if self._json else event_text(event))

    def close(self) -> None:
        """Nothing is held back."""

    def abort(self) -> None:
        """Nothing is held back."""


STDOUT = SinkSpec(
    name="stdout",
    summary="Results and events on standard output, one line each.",
    open=StdoutSink,
    params=StdoutParams,
)


def packet_text(packet: Packet) -> str:
    """A packet in one line: ``gate 12.300s #123  detect: 2 person 0.93 0.81, bus 0.79  faces: not run (rate)``."""
    stages = [f"{name}: {outcome_text(outcome)}" for name, outcome in packet.outcome.items()]
    return "  ".join([_place(packet.frame), *stages])


def event_text(event: Event) -> str:
    """An event in one line: ``gate event zone.entered track:7 {"zone": "door"}``."""
    data = [str(dict(event.data))] if event.data else []
    return " ".join([event.stream, "event", event.kind, *filter(None, [event.subject]), *data])


def outcome_text(outcome: Outcome) -> str:
    """An outcome in a few words; finding nothing and not looking read differently."""
    match outcome:
        case Ran(result):
            if result is None:
                return "done"
            return result_text(result) if len(result) else "nothing"
        case NotRun(reason):
            return f"not run ({reason.replace('_', ' ')})"
        case Failed(error):
            return f"failed ({str(error).splitlines()[0]})" if str(error) else "failed"
        case Quarantined():
            return "quarantined"


def result_text(result: Result) -> str:
    """The findings of a result in a few words, the most confident first."""
    match result:
        case Detections():
            return _grouped(result)
        case Classification() | ClipPrediction():
            best = zip(result.class_id[:, :1].tolist(), result.confidence[:, :1].tolist(), strict=True)
            return ", ".join(
                f"{class_name(result.labels, ids[0])} {scores[0]:.2f}" for ids, scores in best if ids
            )
        case AnomalyMap():
            return ", ".join(f"score {score:.3g}" for score in result.score.tolist())
    return f"{len(result)} {result.type}"


def _grouped(result: Detections) -> str:
    scores: defaultdict[int, list[float]] = defaultdict(list)
    for row in result.confidence.argsort()[::-1].tolist():
        scores[int(result.class_id[row])].append(float(result.confidence[row]))
    return ", ".join(
        f"{len(found)} " * (len(found) > 1)
        + class_name(result.labels, class_id)
        + "".join(f" {score:.2f}" for score in found)
        for class_id, found in scores.items()
    )


def _place(frame: Frame) -> str:
    media_ns = frame.clock.media_ns
    when = [] if media_ns is None else [f"{media_ns / 1e9:.3f}s"]
    return " ".join([frame.stream, *when, f"#{frame.ticket}"])


def _print(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise PipelineError("standard output was closed by the program that reads it") from error
