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

    def raised(self, events: int) -> None:
        with self._lock:
            self.events += events

    def to_builtins(self) -> dict[str, Any]:
        with self._lock:
            return {
                "outcomes": dict(self.outcomes),
                "errors": dict(self.errors.most_common(10)),
                "events": self.events,
                "mean_ms": {
                    part: round(total / self._times_n[part] / 1e6, 4)
                    for part, total in self._times_ns.items()
                },
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
