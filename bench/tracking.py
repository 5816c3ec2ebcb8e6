"""Against PyPI's ``trackers`` (ByteTrack) and ``norfair``: cost per frame, identities, and accuracy on real people.

Each contestant is a process of its own, peers in environments of their own (``.bench-venvs``). They take turns on the
same boxes.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Figure, Outcome
from bench.options import Options
from bench.worker import Worker, environment
from vedette.benchmark.rounds import Series, interleave
from vedette_tracking.metrics import TrackedBoxes, read_mot, score_tracks

OURS = "vedette-tracking"
PEERS = {"trackers": ["trackers==2.6.1"], "norfair": ["norfair==2.1.1"]}
RATE_HZ = 25.0
OBJECTS, FRAMES = 20, 400
SEQUENCES = ("TUD-Campus", "TUD-Stadtmitte")
HOW = (
    f"cost: {OBJECTS} boxes that pass each other, {FRAMES} frames, again and again, with the making of each library's"
    " own boxes; MOTA and IDF1: public detections of MOT15 at IoU 0.5, every library with its defaults"
)


def run(options: Options) -> Outcome:
    """All libraries in turn."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        films = [write_film(folder / "drawn.npz", *drawn_film())]
        if options.data is not None:
            mot = options.data / "tracking" / "MOT15"
            films += [write_film(folder / f"{name}.npz", *public_film(mot / name)) for name in SEQUENCES]
        pythons = {OURS: Path(sys.executable)}
        pythons |= {
            name: environment(f"tracking-{name}", wanted, options.say) for name, wanted in PEERS.items()
        }
        task = {"films": [str(film) for film in films], "rate_hz": RATE_HZ}
        workers = {
            name: stack.enter_context(Worker(python, "follow.py", {"library": name, **task}))
            for name, python in pythons.items()
        }
        contestants = {name: partial(worker.run, options.seconds) for name, worker in workers.items()}
        series = interleave(contestants, options.rounds, options.say, options.attempts)
        figures = _cost(series)
        for name, worker in workers.items():
            figures.append(_identities(name, worker.results(0)))
        if options.data is not None:
            for number, sequence in enumerate(SEQUENCES, start=1):
                answers = {name: worker.results(number) for name, worker in workers.items()}
                figures += _accuracy(sequence, options.data, answers)
        versions = ", ".join(f"{name} {worker.about['version']}" for name, worker in workers.items())
    return Outcome(figures=figures, notes=[HOW, versions])


def drawn_film() -> tuple[Any, Any, Any]:
    """Frame, boxes and confidences of objects that swing about, pass each other, and are found with some jitter."""
    rng = np.random.default_rng(5)
    columns, rows = np.meshgrid(np.arange(5), np.arange(4))
    home = np.stack([150 + 230 * columns.ravel(), 100 + 170 * rows.ravel()], axis=1).astype(float)
    phase = rng.uniform(0, 2 * np.pi, (OBJECTS, 2))
    turns = phase + np.arange(FRAMES)[:, None, None] / RATE_HZ * np.array([1.0, 0.7])
    centre = home + 120 * np.sin(turns) + rng.normal(0, 1, (FRAMES, OBJECTS, 2))
    half = np.array([20.0, 45.0])
    boxes = np.concatenate([centre - half, centre + half], axis=2).reshape(-1, 4)
    return np.repeat(np.arange(FRAMES), OBJECTS), boxes, np.full(len(boxes), 0.9)


def public_film(folder: Path) -> tuple[Any, Any, Any]:
    """Of the public detections of a sequence."""
    table = np.loadtxt(folder / "det.txt", delimiter=",")
    boxes = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    return table[:, 0].astype(int) - 1, boxes, table[:, 6]


def write_film(path: Path, frame: Any, xyxy: Any, confidence: Any) -> Path:
    np.savez(path, frame=frame, xyxy=xyxy, confidence=confidence)
    return path


def _cost(series: dict[str, Series]) -> list[Figure]:
    subject = f"{OBJECTS} boxes"
    ours = series[OURS]
    figures = [
        Figure(
            subject=subject,
            name=f"{name}: CPU",
            value=found.cpu_ms,
            unit="ms/frame",
            contended=found.contended,
        )
        for name, found in series.items()
    ]
    return figures + [
        Figure(
            subject=subject,
            name=f"speed by that of {name}",
            value=ours.per_round(series[name]),
            unit="",
            target=1.0,
            contended=ours.contended + series[name].contended,
        )
        for name in PEERS
    ]


def _identities(name: str, answers: list[Any]) -> Figure:
    count = len({identity for identities, _ in answers for identity in identities})
    return Figure(
        subject=f"{OBJECTS} objects",
        name=f"{name}: identities",
        value=count,
        unit="",
        target=OBJECTS if name == OURS else None,
        better="lower",
    )


def _accuracy(sequence: str, data: Path, answers: dict[str, list[Any]]) -> list[Figure]:
    truth = read_mot((data / "tracking" / "MOT15" / sequence / "gt.txt").read_text(), minimum_confidence=0)
    scores = {name: score_tracks(truth, _tracked(found)) for name, found in answers.items()}
    peer = scores["trackers"]
    return [
        Figure(subject=sequence, name=f"{name}: {what}", value=round(value, 4), unit="", target=target)
        for name, score in scores.items()
        for what, value, least in (("MOTA", score.mota, peer.mota), ("IDF1", score.idf1, peer.idf1))
        for target in [round(least, 4) if name == OURS else None]
    ]


def _tracked(answers: list[Any]) -> dict[int, TrackedBoxes]:
    return {
        number: TrackedBoxes(np.array(identities, np.int64), np.array(boxes, float).reshape(-1, 4))
        for number, (identities, boxes) in enumerate(answers, start=1)
    }
