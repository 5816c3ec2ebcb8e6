"""What a camera says unasked, with its time on this machine's clock. Times are ns of ``time.monotonic_ns``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
EVENT_NAMES = {1: "input", 2: "temperature", 3: "dropped", 4: "button", 5: "ptz", 6: "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraEvent:
    """Something happened at the camera.

    Attributes
    ----------
    kind, name
        Number of the kind, and its name: ``input``, ``temperature``, ``dropped``, ``button``, ``ptz``, ``error``, or
        ``kind64`` for a vendor's.
    t_ns, uncertainty_ns
        When, and a bound of the error.
    t_device_us
        The same by the camera's clock.
    data
        As the camera sent it: PROTOCOL.md, section 5.3.
    """

    kind: int
    name: str
    t_ns: int
    uncertainty_ns: int
    t_device_us: int
    data: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTrigger:
    """Trigger ``count`` of input ``source`` happened. Times as in :class:`CameraEvent`."""

    source: int
    count: int
    t_ns: int
    uncertainty_ns: int
    t_device_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraLog:
    """A line of the camera's own log."""

    level: str
    text: str
    t_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorMessage:
    """A frame on a vendor's channel, 32..127; ``flags`` has FIRST and MORE."""

    channel: int
    flags: int
    payload: bytes
    t_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """The link came up or went down; ``reason`` says why it is down."""

    state: Literal["up", "down"]
    t_ns: int
    reason: str = ""


Notice = CameraEvent | CameraTrigger | CameraLog | VendorMessage | LinkChange
