"""What a configuration may say of a camera in a pipeline."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Level = Annotated[float, msgspec.Meta(ge=0, le=1)]


class SourceParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``vlp``; the address carries those of the link (``?baud=3000000``)."""

    key: str | None = None
    """Where the key of a paired camera is: ``file:PATH`` or ``env:NAME``."""
    set: dict[str, Any] = {}
    """Parameters of the camera, set at the start and after each of its restarts: ``{ exposure_us = 8000 }``."""
    matrix: Literal["bt601", "bt709", "bt2020"] | None = None
    """The colours of ``NV12`` and ``YUYV`` images, which the camera does not tell: their matrix ..."""
    range: Literal["limited", "full"] | None = None
    """... and their range."""


class SinkParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``vlp``."""

    camera: str
    """The address of the camera, as its source has it; ``vlp:///dev/ttyACM0`` is enough."""
    stage: str | None = None
    """The stage whose detections go back; may be left out where only one detects."""
    key: str | None = None
    """As for the source, for a camera that is none."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is set while something is seen."""

    set: dict[str, Any]
    """Parameters while a detection fits: ``{ led = 255, gpio3 = 1 }``."""
    when: str | int | None = None
    """Name or number of its class; by default any."""
    at_least: Level = 0.0
    """Its confidence."""
    otherwise: dict[str, Any] = {}
    """Parameters when none fits any more."""
    hold_ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """How long after the last one that fitted, by the time of capture."""


class ControlParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the stage ``camera``."""

    camera: str
    """The address of the camera, which must be a source of this program."""
    rules: Annotated[list[Rule], msgspec.Meta(min_length=1)]
    """Where several set the same parameter, the last one counts."""


class EventsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the stage ``camera_events``."""

    camera: str
    """The address of the camera, which must be a source of this program."""
