"""Frames, results and packets to try a plugin on: small, varied, the same in every run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.errors import BackendError
from vedette.events import Event
from vedette.frame import Clock, Frame, Image, Orientation, Packed, Planar
from vedette.packet import Failed, NotRun, Outcome, Packet, Quarantined, Ran
from vedette.results import (
    AnomalyMap,
    Classification,
    ClipPrediction,
    Detections,
    Embedding,
    Keypoints,
    Result,
)

SIZE_WH = (320, 240)
PERIOD_NS = 40_000_000


def noise(seed: int, size_wh: tuple[int, int] = SIZE_WH) -> NDArray[np.uint8]:
    """``(h, w, 3) uint8``: blocks of random colours, so that no kernel smooths everything away."""
    w, h = size_wh
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-h // 16), -(-w // 16), 3), np.uint8)
    return np.ascontiguousarray(blocks.repeat(16, axis=0).repeat(16, axis=1)[:h, :w])


def planar(seed: int, size_wh: tuple[int, int] = SIZE_WH) -> Planar:
    """An ``nv12`` image, as decoders of video give it."""
    w, h = size_wh
    luma = noise(seed, size_wh)[..., 0]
    chroma = noise(seed + 1, ((w + 1) // 2, (h + 1) // 2))[..., :2]
    return Planar("nv12", (luma, np.ascontiguousarray(chroma)), "bt709", "limited")


def frame(
    image: Image, *, stream: str = "sample", ticket: int = 0, epoch: int = 0, orientation: Orientation = 0
) -> Frame:
    """A frame around an image, 25 per second."""
    w, h = image.size_wh
    ns = ticket * PERIOD_NS
    return Frame(
        stream=stream,
        epoch=epoch,
        ticket=ticket,
        seq=ticket,
        size_wh=(h, w) if orientation in (90, 270) else (w, h),
        clock=Clock(mono_ns=10**9 + ns, wall_ns=1_700_000_000 * 10**9 + ns, media_ns=ns, origin="pts"),
        image=image,
        orientation=orientation,
    )


def result(kind: type[Result], rows: int, seed: int = 0) -> Result | None:
    """A result of ``rows`` rows, or ``None`` for a type that is not the core's."""
    rng = np.random.default_rng(seed)
    source_row = np.zeros(rows, np.int32)
    ids = np.arange(rows, dtype=np.int32) % 3
    score = rng.uniform(0.3, 1.0, rows).astype(np.float32)
    corner = rng.uniform(0, 150, (rows, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 60], axis=1)
    made: dict[type[Result], dict[str, Any]] = {
        Detections: {"xyxy": boxes, "confidence": score, "class_id": ids, "track_id": ids.astype(np.int64)},
        Classification: {"class_id": ids[:, None], "confidence": score[:, None]},
        Keypoints: {"points": boxes.reshape(rows, 2, 2), "confidence": np.stack([score, score], axis=1)},
        Embedding: {"vector": np.tile(np.array([0.6, 0.8], np.float32), (rows, 1))},
        AnomalyMap: {"score": score, "heat": np.tile(score[:, None, None], (1, 4, 6)), "xyxy": boxes},
        ClipPrediction: {
            "class_id": ids[:, None],
            "confidence": score[:, None],
            "window_ns": np.tile(np.array([0, PERIOD_NS], np.int64), (rows, 1)),
        },
    }
    return kind(source_row=source_row, labels=("a", "b", "c"), **made[kind]) if kind in made else None


def packets(stream: str, count: int = 4, size_wh: tuple[int, int] = (64, 48)) -> list[Packet]:
    """Packets with everything that a stage may have said, pictures included."""
    return [_packet(stream, ticket, size_wh) for ticket in range(count)]


def event(stream: str, ordinal: int = 0) -> Event:
    """An event with data of every plain type."""
    return Event(
        id=f"{ordinal:032x}",
        kind="sample.started",
        stream=stream,
        epoch=0,
        stage="rule",
        subject="track:7",
        t_start_ns=1_700_000_000 * 10**9 + ordinal,
        t_end_ns=None,
        data={"count": 3, "zone": "door", "share": 0.5, "box": [1, 2, 3, 4], "note": None},
    )


def _packet(stream: str, ticket: int, size_wh: tuple[int, int]) -> Packet:
    outcome: dict[str, Outcome] = {
        "detect": Ran(result(Detections, ticket % 3, ticket)),
        "classify": Ran(result(Classification, 1, ticket)),
        "rule": Ran(None),
        "slow": NotRun("rate"),
        "crops": NotRun("no_input"),
    }
    if ticket % 2:
        outcome["broken"] = Failed(BackendError("the device is gone", fix="plug it in"))
        outcome["hopeless"] = Quarantined()
    made = Packet(frame(Packed("bgr", noise(ticket, size_wh)), stream=stream, ticket=ticket), outcome=outcome)
    if ticket == 1:
        made.events.append(event(stream))
    return made
