"""Parameters of the sources and sinks, as users write them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vedette.frame import Matrix, Range

Positive = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]
Timeout = Annotated[float, Meta(ge=0.1, le=3600)]


class VideoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``video``."""

    start_s: Seconds = 0.0
    """Leave out what comes before, in seconds of the medium."""
    stop_s: Positive | None = None
    """Leave out what comes at or after this time."""
    loop: bool = False
    """Begin again at the end, without end; the epoch rises each time."""
    threads: Literal["frame", "slice", "none"] = "frame"
    """How FFmpeg decodes in parallel. ``frame``: pictures ahead of the pipeline, in threads of their own (most
    throughput); ``slice``: parts of one picture, if the file is coded so; ``none``: in the thread that asks."""
    thread_count: Annotated[int, Meta(ge=1, le=64)] = 2
    """Threads for ``frame`` and ``slice``."""
    matrix: Matrix | None = None
    """The colour matrix, whatever the file says; ``None``: see :mod:`vedette_video.colour`."""
    range: Range | None = None
    """The range of the samples, whatever the file says."""


class LiveParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of every live source."""

    open_timeout_s: Timeout = 10.0
    """How long opening may take altogether, in seconds."""
    read_timeout_s: Timeout = 10.0
    """The source has failed when nothing came for so long, or nothing of which a picture could be made."""
    threads: Literal["none", "slice", "frame"] = "slice"
    """As for ``video``. ``frame`` decodes more pictures per second, each ``thread_count - 1`` pictures later."""
    thread_count: Annotated[int, Meta(ge=1, le=64)] = 2
    """Threads for ``frame`` and ``slice``."""
    concealed: Literal["use", "damaged"] = "use"
    """What refers to a damaged picture, up to the next key picture: parts of it may be wrong. ``use`` it all the same,
    as players do, or count it as ``damaged`` too."""
    matrix: Matrix | None = None
    """As for ``video``."""
    range: Range | None = None
    """As for ``video``."""


class NetworkParams(LiveParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of every source that is reached over a network."""

    user: str | None = None
    """Who to be; else as the address says."""
    password: str | None = None
    """Where the password is: ``env:NAME`` or ``file:PATH`` (:func:`vedette.secrets.resolve_secret`)."""
    verify: bool = True
    """Whether a server of ``https`` or ``rtsps`` must prove who it is."""
    ca_file: str | None = None
    """Certificates (PEM) by which it may do so, instead of the system's: a camera's own, for one."""


class RtspParams(NetworkParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``rtsp``."""

    transport: Literal["tcp", "udp"] = "tcp"
    """How pictures come. Over ``udp`` some get lost on the way."""
    clock: Literal["arrival", "sender"] = "arrival"
    """Whether a picture's time is its arrival, or its capture by the camera's own clock (RTCP sender reports). The
    latter only if camera and machine are set to the same time, by NTP for one."""


class HttpParams(NetworkParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``http``."""

    poll_s: Positive = 1.0
    """From one request to the next, where the address gives a single picture."""


class V4l2Params(LiveParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``v4l2``."""

    format: Literal["mjpeg", "yuyv", "nv12"] | None = None
    """What the camera is to send; ``None``: what the driver offers first. ``mjpeg`` is decoded only when looked at."""
    size_wh: tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]] | None = None
    """Size of the pictures; the driver may take another that is near."""
    rate_hz: Positive | None = None
    """Pictures per second."""


class ImagesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``images``."""

    rate_hz: Positive | None = None
    """Pictures per second, for pictures that were taken so: picture ``i`` then has the media time ``i / rate_hz``.
    Without it pictures have no media time."""
    loop: bool = False
    """Begin again at the end, without end; the epoch rises each time."""


class PlaylistParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``playlist``."""

    items: tuple[str, ...] = ()
    """What to play, instead of a list in a file; the URI is then ``playlist:``."""
    loop: bool = False
    """Begin again at the end, without end."""
    video: VideoParams = VideoParams()
    """For the items that are videos."""
    images: ImagesParams = ImagesParams()
    """For the items that are images."""


class RecordingParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the source ``recording``."""

    pace: Literal["fast", "real"] = "fast"
    """``fast``: as fast as the pipeline goes; ``real``: at the times of the recorded clocks."""
    dropped: bool = False
    """Show also the images that the recorded run dropped; results are then those of a run that dropped none."""


class AnnotatedVideoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``video``."""

    path: str
    """The file; its ending chooses the container. ``{stream}`` and ``{start}`` are replaced
    (:class:`vedette.sinks.output.OutputPath`); several streams need ``{stream}``."""
    mode: Literal["new", "overwrite"] = "new"
    """What to do with a file that exists: refuse, or replace it when the new one is complete."""
    codec: str = "libx264"
    """FFmpeg's name of an encoder."""
    options: dict[str, str] | None = None
    """The encoder's own options; ``None``: ``crf`` 23 and ``preset`` ``veryfast`` for libx264 and libx265."""
    fps: Annotated[float, Meta(gt=0, le=1000)] | None = None
    """A constant rate; ``None``: each frame at the time of its clock."""
    thread_count: Annotated[int, Meta(ge=1, le=64)] = 1
    """Threads of the encoder."""
    hide: str | None = None
    """A stage whose boxes must not be seen: they are pixelated before anything is drawn, and where that stage did not
    look, the whole picture is."""


class AnnotatedImagesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``images``."""

    path: str
    """The folder; ``{stream}`` and ``{start}`` are replaced as for ``video``."""
    mode: Literal["new", "overwrite"] = "new"
    """What to do with pictures that exist: refuse, or replace them."""
    format: Literal["jpg", "png"] = "jpg"
    """``jpg`` is smaller; ``png`` loses nothing."""
    quality: Annotated[int, Meta(ge=1, le=100)] = 90
    """Of ``jpg``: 1 smallest, 100 best."""
    hide: str | None = None
    """A stage whose boxes must not be seen: they are pixelated before anything is drawn, and where that stage did not
    look, the whole picture is."""
