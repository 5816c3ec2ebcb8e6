"""What can be asked of a camera that moves. Commands are data: a pipeline, a command line and a wire can carry them.

Angles are degrees from the home position: pan to the right, tilt upwards. Zoom and focus are fractions of the camera's
range: zoom 0 is wide and 1 is tele, focus 0 is far and 1 is near. Speeds are fractions of the camera's highest, signed:
right, up, tele and near are positive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vedette_bridge.errors import ParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTo:
    """Go to a position. What is ``None`` stays as it is.

    ``pan_deg`` and ``tilt_deg`` are -360 .. 360, ``zoom`` and ``focus`` 0 .. 1, ``speed`` (of pan and tilt) 0 .. 1.
    """

    pan_deg: float | None = None
    tilt_deg: float | None = None
    zoom: float | None = None
    focus: float | None = None
    speed: float = 1.0

    def __post_init__(self) -> None:
        _within(self, -360, 360, pan_deg=self.pan_deg, tilt_deg=self.tilt_deg)
        _within(self, 0, 1, zoom=self.zoom, focus=self.focus, speed=self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveBy:
    """Turn by an angle, in degrees; ``speed`` is 0 .. 1."""

    pan_deg: float = 0.0
    tilt_deg: float = 0.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        _within(self, -720, 720, pan_deg=self.pan_deg, tilt_deg=self.tilt_deg)
        _within(self, 0, 1, speed=self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """Keep moving until told otherwise, at -1 .. 1 of the highest speed; 0 stops an axis, ``None`` leaves it alone."""

    pan: float | None = None
    tilt: float | None = None
    zoom: float | None = None
    focus: float | None = None

    def __post_init__(self) -> None:
        _within(self, -1, 1, pan=self.pan, tilt=self.tilt, zoom=self.zoom, focus=self.focus)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop every axis."""


@dataclass(frozen=True, slots=True)
class Home:
    """Go to the home position."""


@dataclass(frozen=True, slots=True)
class Preset:
    """``save`` the present position under ``number`` (0 .. 255), go to it (``recall``), or forget it (``clear``)."""

    action: Literal["save", "recall", "clear"]
    number: int

    def __post_init__(self) -> None:
        if self.action not in ("save", "recall", "clear"):
            raise ParameterError(f"Preset: action must be save, recall or clear, not {self.action!r}")
        _within(self, 0, 255, number=self.number)


PtzCommand = MoveTo | MoveBy | Drive | Stop | Home | Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class PtzPosition:
    """Where the camera looks; ``None`` where it does not say. Units as in :class:`MoveTo`."""

    pan_deg: float | None = None
    tilt_deg: float | None = None
    zoom: float | None = None
    focus: float | None = None


class Move:
    """A command that the camera has been given, and perhaps still carries out.

    Parameters
    ----------
    wait
        Called with a time in seconds: returns when the camera says that it is done, and raises what went wrong.
        ``None`` for a protocol that has no such message: then the move counts as done when it was sent.
    cancel
        Makes the camera give the command up; ``None`` where a protocol cannot.
    """

    def __init__(
        self, wait: Callable[[float], None] | None = None, cancel: Callable[[], None] | None = None
    ) -> None:
        self._wait = wait
        self._cancel = cancel
        self.confirmed = wait is not None
        """Whether the protocol says when a move is done."""

    def wait(self, timeout_s: float = 30.0) -> None:
        """Return when the camera says that it is done.

        Raises
        ------
        LinkTimeoutError
            It did not say so in time. It may still be moving.
        DeviceError
            It gave the command up, or was told to.
        """
        if self._wait is not None:
            self._wait(timeout_s)

    def cancel(self) -> None:
        """Make the camera give the command up; without effect on one that is done or cannot be cancelled."""
        if self._cancel is not None:
            self._cancel()


def _within(command: object, low: float, high: float, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not low <= value <= high:  # also refuses NaN
            raise ParameterError(
                f"{type(command).__name__}: {name} must be {low:g} .. {high:g}, not {value!r}"
            )
