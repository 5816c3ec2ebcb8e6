"""What people read while a pipeline runs and after it: a live line, and tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from vedette.pipeline.summary import Summary


class ProgressLine:
    """One line on a terminal that is written over again; nothing where the output is not a terminal."""

    def __init__(self, out: TextIO, *, enabled: bool) -> None:
        self._out = out
        self._enabled = enabled and out.isatty()
        self._width = 0
        self._last: tuple[float, int] = (time.monotonic(), 0)

    def show(self, summary: Summary) -> None:
        if not self._enabled:
            return
        done = sum(_done(stream) for stream in summary.streams.values())
        total = sum(stream["declared_frames"] or 0 for stream in summary.streams.values())
        now_s, (then_s, before) = time.monotonic(), self._last
        rate = (done - before) / max(now_s - then_s, 1e-9)
        self._last = (now_s, done)
        dropped = sum(sum(stream["dropped"].values()) for stream in summary.streams.values())
        failed = sum(stream["failed"] + stream["partial"] for stream in summary.streams.values())
        share = f"{done}/{total} ({100 * done / total:.0f} %)" if total else str(done)
        extra = "".join(
            f"  {count} {word}" for word, count in (("dropped", dropped), ("with errors", failed)) if count
        )
        text = f"{share} frames  {rate:.0f}/s{extra}"
        self._out.write("\r" + text.ljust(self._width))
        self._out.flush()
        self._width = len(text)

    def end(self) -> None:
        if self._width:
            self._out.write("\n")
            self._out.flush()
            self._width = 0


def render_summary(summary: Summary, *, interrupted: bool = False) -> str:
    """The summary as tables for people."""
    how = "interrupted after" if interrupted else "finished in"
    lines = [f"{summary.pipeline}: {how} {summary.elapsed_s:.1f} s", ""]
    rows = [
        [
            name,
            s["captured"],
            s["complete"],
            s["partial"],
            s["failed"],
            _reasons(s["dropped"]),
            s["in_flight"],
        ]
        for name, s in summary.streams.items()
    ]
    lines += table(["stream", "captured", "complete", "partial", "failed", "dropped", "in flight"], rows)
    lines += [
        "",
        *table(["stage", "runs on", "ran", "not run", "failed", "ms per row"], _stage_rows(summary)),
    ]
    if summary.sinks:
        rows = [
            [name, s["written"], s["events"], s["failed"], s["skipped"]] for name, s in summary.sinks.items()
        ]
        lines += ["", *table(["sink", "packets", "events", "failed", "skipped"], rows)]
    lines += list(_notes(summary))
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Text columns, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [list(header), *cells]
    ]


def _stage_rows(summary: Summary) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for name, stage in summary.stages.items():
        outcomes = stage["outcomes"]
        not_run = sum(count for key, count in outcomes.items() if key.startswith("not_run"))
        failed = outcomes.get("failed", 0) + outcomes.get("quarantined", 0)
        graphs = stage.get("graphs", {}).values()
        where = dict.fromkeys(f"{g['backend']}:{g['device']} {g['execution_precision']}" for g in graphs)
        times = ", ".join(f"{part} {ms:.2f}" for part, ms in stage["mean_ms"].items())
        rows.append([name, ", ".join(where) or "-", outcomes.get("ran", 0), not_run, failed, times or "-"])
    return rows


def _evidence(plain: dict[str, Any]) -> str:
    """What evidence was made, and what it cost."""
    left = [f"{plain[name]} {name}" for name in ("skipped", "without", "failed") if plain[name]]
    made = f"{plain['maps']} maps of evidence by {plain['method']} for {plain['explained']} events"
    cost = f"{plain['inferences']} further inferences, {plain['mean_ms'].get('map', 0.0):.0f} ms each map"
    return ", ".join([made, cost, *left])


def _notes(summary: Summary) -> Iterable[str]:
    for name, stage in summary.stages.items():
        for reason in stage.get("fallbacks", ()):
            yield f"note: stage {name!r} did not use {reason}"
        if problem := stage.get("proof", {}).get("problem"):
            yield f"note: stage {name!r} was used although its proof failed: {problem}"
        if stage["resets"]:
            yield f"note: stage {name!r}: state began afresh: {_counted(stage['resets'])}"
        if stage["samples"]:
            yield f"note: stage {name!r}: samples in time: {_counted(stage['samples'])}"
        if evidence := stage.get("evidence"):
            yield f"note: stage {name!r}: {_evidence(evidence)}"
            for error, count in evidence["errors"].items():
                yield f"error: {count} x no evidence: {error}"
        for error, count in stage["errors"].items():
            yield f"error: {count} x {error}"
    for name, stream in summary.streams.items():
        if stream["recording"]:
            yield _recording(name, stream["recording"])
        if outage := _outage(stream["outages"]):
            yield f"note: stream {name!r}: {outage}"
        if resumed := stream["resumed"]:
            what = ", ".join(f"{place} {how}" for place, how in resumed["stages"].items())
            yield f"note: stream {name!r}: went on at frame {resumed['frame']}: {what or 'nothing restored'}"
        if stream["error"]:
            yield f"error: stream {name!r}: {stream['error']}"
    for name, sink in summary.sinks.items():
        for error, count in sink["errors"].items():
            yield f"error: {count} x sink {name!r}: {error}"
        yield from _outbox(name, sink.get("outbox", {}))
    if not summary.balanced:
        yield "error: the counts do not add up; this is a defect in vedette, please report it"


def _outbox(name: str, status: dict[str, Any]) -> Iterable[str]:
    """What a sink still keeps, and what it could not deliver."""
    if status.get("waiting"):
        why = f": {status['trouble']}" if status.get("trouble") else ""
        yield f"note: sink {name!r}: {status['waiting']} events wait to be delivered{why}"
    for what in ("refused", "dropped"):
        if status.get(what):
            why = f", the last: {status['refused_last']}" if what == "refused" else ", the outbox was full"
            yield f"error: sink {name!r}: {status[what]} events were {what}{why}"


def _outage(outages: dict[str, Any]) -> str:
    if not outages["last_error"]:
        return ""
    now = outages["now"]
    state = f"no pictures since {now['since']}, attempts: {now['attempts']}" if now else "has pictures"
    return (
        f"{state}; reopened {outages['reopened']} times, without pictures for {outages['without_pictures_s']:.1f} s, "
        f"last error: {outages['last_error']}"
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in counts.items())


def _recording(stream: str, recording: dict[str, Any]) -> str:
    what = f"{recording['captures']} images, {recording['bytes'] / 1e6:.1f} MB, {recording['state']}"
    kind = "error" if recording["error"] else "note"
    why = f": {recording['error']}" if recording["error"] else ""
    return f"{kind}: stream {stream!r} was recorded to {recording['folder']} ({what}){why}"


def _reasons(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "0"


def _done(stream: dict[str, Any]) -> int:
    return int(stream["complete"] + stream["partial"] + stream["failed"])
