"""Parameters of the sources and sinks, as users write them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vedette.frame import Matrix, Range

Positive = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]


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
