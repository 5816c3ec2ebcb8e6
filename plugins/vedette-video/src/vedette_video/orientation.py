"""Which way up a decoded picture is."""

from __future__ import annotations

from av.video.frame import VideoFrame

from vedette.frame import Orientation


def orientation_of(frame: VideoFrame) -> Orientation:
    """Clockwise degrees that turn the picture upright, from the display matrix; oblique ones count as none."""
    turn = -frame.rotation % 360
    return turn if turn in (90, 180, 270) else 0  # type: ignore[return-value]
