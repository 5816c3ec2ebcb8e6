"""The source ``v4l2``: cameras at this machine, by Linux' video devices."""

from __future__ import annotations

from pathlib import Path

from vedette.errors import SourceError
from vedette_video.ffmpeg_input import FFmpegInput
from vedette_video.live import LiveSource
from vedette_video.params import V4l2Params

_FORMATS = {"mjpeg": "mjpeg", "yuyv": "yuyv422", "nv12": "nv12"}


def open_v4l2(uri: str, params: V4l2Params) -> LiveSource:
    """Open the camera at the device ``uri`` (``/dev/video0``).

    Raises
    ------
    SourceError
        There is no such device, it is no camera, somebody else uses it, or it has not the wanted format.
    """
    if not Path(uri).exists():
        there = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise SourceError(
            f"there is no device {uri}",
            fix=f"there are {', '.join(there)}" if there else "no camera is connected to this machine",
        )
    options = {}
    if params.format is not None:
        options["input_format"] = _FORMATS[params.format]
    if params.size_wh is not None:
        options["video_size"] = "{}x{}".format(*params.size_wh)
    if params.rate_hz is not None:
        options["framerate"] = f"{params.rate_hz:g}"

    def connect() -> FFmpegInput:
        return FFmpegInput(uri, uri, params, format="v4l2", options=options, always_live=True)

    return LiveSource(connect, uri, params)
