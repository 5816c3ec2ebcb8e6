"""Where every captured frame went. The identity that must always hold, per stream:

captured = complete + partial + failed + sum(dropped by reason) + in flight
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vedette.packet import Failed, NotRun, Outcome, Packet, Quarantined, Ran

_LABELS: Mapping[type[Outcome], str] = {
    Ran: "ran",
    NotRun: "not_run",
    Failed: "failed",
    Quarantined: "quarantined",
}


def classify(packet: Packet) -> str:
    """``complete``: no stage failed; ``partial``: some did; ``failed``: some did and none ran."""
    if packet.complete:
        return "complete"
    return "partial" if any(isinstance(outcome, Ran) for outcome in packet.outcome.values()) else "failed"


class StreamAccount:
    """Counts of one stream. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.captured = 0
        self.in_flight = 0
        self.finished: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def capture(self) -> None:
        with self._lock:
            self.captured += 1
            self.in_flight += 1

    def drop(self, reason: str) -> None:
        """A captured frame that no sink will see."""
        with self._lock:
            self.in_flight -= 1
            self.dropped[reason] += 1

    def finish(self, packet: Packet) -> None:
        with self._lock:
            self.in_flight -= 1
            self.finished[classify(packet)] += 1

    def balanced(self) -> bool:
        """Whether the identity holds."""
        with self._lock:
            return self.captured == self.finished.total() + self.dropped.total() + self.in_flight

    def to_builtins(self) -> dict[str, Any]:
        with self._lock:
            return {
                "captured": self.captured,
                **{key: self.finished[key] for key in ("complete", "partial", "failed")},
                "dropped": dict(self.dropped),
                "in_flight": self.in_flight,
            }


class StageAccount:
    """Outcomes, errors and times of one stage over all streams. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.resets: Counter[str] = Counter()
        self.samples: Counter[str] = Counter()
        self.events = 0
        self._times_ns: Counter[str] = Counter()
        self._times_n: Counter[str] = Counter()

    def outcome(self, outcome: Outcome) -> None:
        label = _LABELS[type(outcome)]
        with self._lock:
            self.outcomes[f"{label}:{outcome.reason}" if isinstance(outcome, NotRun) else label] += 1
            if isinstance(outcome, Failed):
                self.errors[str(outcome.error)] += 1

    def time(self, part: str, elapsed_ns: int, rows: int = 1) -> None:
        """``elapsed_ns`` spent in ``part`` (preprocess, infer, postprocess, process) for ``rows`` rows."""
        with self._lock:
            self._times_ns[part] += elapsed_ns
            self._times_n[part] += rows

    def reset(self, reason: str) -> None:
        """State started afresh."""
        with self._lock:
            self.resets[reason] += 1

    def sampled(self, what: str, count: int) -> None:
        """Samples in time that are not as they should be: ``missed``, ``late``, or clips that were too ``short``."""
        if count:
            with self._lock:
                self.samples[what] += count

    def raised(self, events: int) -> None:
        with self._lock:
            self.events += events

    def to_builtins(self) -> dict[str, Any]:
        with self._lock:
            return {
                "outcomes": dict(self.outcomes),
                "errors": dict(self.errors.most_common(10)),
                "events": self.events,
                "resets": dict(self.resets),
                "samples": dict(self.samples),
                "mean_ms": {
                    part: round(total / self._times_n[part] / 1e6, 4)
                    for part, total in self._times_ns.items()
                },
            }


class EvidenceAccount:
    """What became of the evidence of one stage, in events. Thread-safe.

    ``method`` and ``inferences``: how maps are made, and the most that one costs. ``times``: means per inference.
    """

    def __init__(self, method: str, inferences: int) -> None:
        self.times = StageAccount()
        self._lock = threading.Lock()
        self._method = method
        self._most = inferences
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def count(self, what: str, events: int) -> None:
        """``skipped``: too soon or too many; ``without``: the model said nothing of the frame; ``failed``."""
        with self._lock:
            self._counts[what] += events

    def made(self, events: int, inferences: int) -> None:
        """One map, for so many events, at the cost of so many inferences."""
        with self._lock:
            self._counts["explained"] += events
            self._counts["maps"] += 1
            self._counts["inferences"] += inferences

    def is_new(self, error: Exception) -> bool:
        """Count an error; whether it is the first with this text."""
        with self._lock:
            self._errors[str(error)] += 1
            return self._errors[str(error)] == 1

    def to_builtins(self) -> dict[str, Any]:
        with self._lock:
            names = ("maps", "inferences", "explained", "skipped", "without", "failed")
            return {
                "method": self._method,
                "inferences_per_map": self._most,
                **{name: self._counts[name] for name in names},
                "errors": dict(self._errors.most_common(10)),
                "mean_ms": self.times.to_builtins()["mean_ms"],
            }


class SinkAccount:
    """What one sink was given. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def count(self, what: str) -> None:
        """``written``, ``events``, ``failed`` or ``skipped`` (quarantined, or the packet's run was aborted)."""
        with self._lock:
            self._counts[what] += 1

    def error(self, error: Exception) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self.errors[str(error)] += 1

    def to_builtins(self) -> dict[str, Any]:
        with self._lock:
            counts = {key: self._counts[key] for key in ("written", "events", "failed", "skipped")}
            return {**counts, "errors": dict(self.errors.most_common(10))}
