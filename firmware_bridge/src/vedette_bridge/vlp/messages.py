"""The structs that travel on the other channels: PROTOCOL.md, sections 5.3 to 5.6."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp import cbor

REVISION = 1
MAX_IMAGE = 64 << 20
ABORT = 1
SCORE_ONE = 1 << 15

_HEAD = struct.Struct("<BB")
_EVENT = struct.Struct("<BBHQ")
_TRIGGER = struct.Struct("<BBHIQ")
_IMAGE = struct.Struct("<BBHII4sHHHHQII")
_RESULT = struct.Struct("<BBHIQ")
_RECORD = struct.Struct("<HHhhhhI")
_I16 = range(-(1 << 15), 1 << 15)

IMAGE_HEADER_SIZE = _IMAGE.size
RESULT_HEADER_SIZE, RECORD_SIZE = _RESULT.size, _RECORD.size


@dataclass(frozen=True, kw_only=True)
class EventMessage:
    """Something happened at ``t_us`` of the device's clock."""

    kind: int
    t_us: int
    data: Mapping[int, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        return _EVENT.pack(REVISION, _EVENT.size, self.kind, self.t_us) + cbor.dumps(self.data)

    @classmethod
    def decode(cls, payload: bytes) -> EventMessage:
        (_, _, kind, t_us), size = _unpack(_EVENT, payload, "EVENT")
        return cls(kind=kind, t_us=t_us, data=cbor.load_map(payload[size:]) if len(payload) > size else {})


@dataclass(frozen=True, kw_only=True)
class TriggerMessage:
    """A trigger that happened (from the device), or that shall (from the box)."""

    source: int = 0
    count: int = 0
    t_us: int = 0

    def encode(self) -> bytes:
        return _TRIGGER.pack(REVISION, _TRIGGER.size, self.source, self.count, self.t_us)

    @classmethod
    def decode(cls, payload: bytes) -> TriggerMessage:
        (_, _, source, count, t_us), _ = _unpack(_TRIGGER, payload, "TRIGGER")
        return cls(source=source, count=count, t_us=t_us)


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What comes before the bytes of an image. ``fourcc`` has four characters; times are microseconds of the device's
    clock, ``t_capture_us`` the start of exposure; ``deadline_ms`` 0 is none."""

    obj: int
    size: int
    fourcc: str
    width: int
    height: int
    stride: int = 0
    deadline_ms: int = 0
    t_capture_us: int = 0
    exposure_us: int = 0
    crc32: int = 0
    abort: bool = False

    def encode(self) -> bytes:
        flags = ABORT if self.abort else 0
        return _IMAGE.pack(
            REVISION,
            _IMAGE.size,
            flags,
            self.obj,
            self.size,
            self.fourcc.encode("ascii").ljust(4),
            self.width,
            self.height,
            self.stride,
            self.deadline_ms,
            self.t_capture_us,
            self.exposure_us,
            self.crc32,
        )

    @classmethod
    def decode(cls, payload: bytes) -> tuple[ImageHeader, int]:
        """The header, and where the image's bytes begin."""
        values, size = _unpack(_IMAGE, payload, "IMAGE")
        _, _, flags, obj, total, fourcc, width, height, stride, deadline, t_capture, exposure, crc = values
        if not fourcc.isascii():
            raise ProtocolError("IMAGE: the fourcc is not ASCII")
        header = cls(
            obj=obj,
            size=total,
            fourcc=fourcc.decode("ascii"),
            width=width,
            height=height,
            stride=stride,
            deadline_ms=deadline,
            t_capture_us=t_capture,
            exposure_us=exposure,
            crc32=crc,
            abort=bool(flags & ABORT),
        )
        return header, size


class Detection(NamedTuple):
    """One finding; box as top-left corner and size, in pixels of the image; score 0..1; track 0 is none."""

    class_id: int
    score: float
    x: float
    y: float
    w: float
    h: float
    track: int = 0


@dataclass(frozen=True, kw_only=True)
class ResultMessage:
    """What was found in image ``obj``, or a part of it; ``t_us`` is the image's time of capture."""

    obj: int
    t_us: int
    detections: tuple[Detection, ...] = ()

    def encode(self) -> bytes:
        head = _RESULT.pack(REVISION, RECORD_SIZE, len(self.detections), self.obj, self.t_us)
        return head + b"".join(map(_record, self.detections))

    @classmethod
    def decode(cls, payload: bytes) -> ResultMessage:
        if len(payload) < _RESULT.size:
            raise ProtocolError("RESULT is cut off")
        rev, stride, count, obj, t_us = _RESULT.unpack_from(payload)
        if rev < 1 or stride < RECORD_SIZE or len(payload) < _RESULT.size + count * stride:
            raise ProtocolError("RESULT is shorter than it says")
        return cls(
            obj=obj,
            t_us=t_us,
            detections=tuple(_detection(payload, _RESULT.size + row * stride) for row in range(count)),
        )


def result_payloads(obj: int, t_us: int, detections: Sequence[Detection], limit: int) -> list[bytes]:
    """All findings of an image as payloads of at most ``limit`` bytes; one without records if there are none."""
    rows = max(1, (limit - RESULT_HEADER_SIZE) // RECORD_SIZE)
    parts = [detections[at : at + rows] for at in range(0, len(detections), rows)] or [()]
    return [ResultMessage(obj=obj, t_us=t_us, detections=tuple(part)).encode() for part in parts]


def _record(found: Detection) -> bytes:
    """Quarters of a pixel; what lies beyond 16 bits is clipped to them."""
    x, y, w, h = (max(_I16[0], min(_I16[-1], round(4 * value))) for value in found[2:6])
    score = round(min(max(found.score, 0.0), 1.0) * SCORE_ONE)
    return _RECORD.pack(found.class_id, score, x, y, w, h, found.track)


def _detection(payload: bytes, at: int) -> Detection:
    class_id, score, x, y, w, h, track = _RECORD.unpack_from(payload, at)
    return Detection(class_id, score / SCORE_ONE, x / 4, y / 4, w / 4, h / 4, track)


def _unpack(layout: struct.Struct, payload: bytes, name: str) -> tuple[tuple[Any, ...], int]:
    """The fields of revision 1, and where the struct ends, which later revisions may have made longer."""
    if len(payload) < layout.size:
        raise ProtocolError(f"{name} is cut off: {len(payload)} bytes, not {layout.size}")
    rev, size = _HEAD.unpack_from(payload)
    if rev < 1 or size < layout.size or size > len(payload):
        raise ProtocolError(f"{name} says that it is {size} bytes long, revision {rev}")
    return layout.unpack_from(payload), size
