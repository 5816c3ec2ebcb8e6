"""What this distribution gives to Vedette. Light: FFmpeg is loaded when something is opened."""

from __future__ import annotations

from collections.abc import Callable

from vedette.frame import Encoded, Pixels
from vedette.hookspecs import hookimpl
from vedette.specs import DecoderSpec, Sink, SinkSpec, Source, SourceSpec
from vedette_video.locate import matches_images, matches_playlist, matches_video
from vedette_video.params import (
    AnnotatedImagesParams,
    AnnotatedVideoParams,
    ImagesParams,
    PlaylistParams,
    VideoParams,
)
from vedette_video.still import FOURCCS


def _video(uri: str, params: VideoParams) -> Source:
    from vedette_video.video_file import open_video

    return open_video(uri, params)


def _images(uri: str, params: ImagesParams) -> Source:
    from vedette_video.images import open_images

    return open_images(uri, params)


def _playlist(uri: str, params: PlaylistParams) -> Source:
    from vedette_video.playlist import open_playlist

    return open_playlist(uri, params)


def _stills() -> Callable[[Encoded], Pixels]:
    from vedette_video.decode import decode_still

    return decode_still


def _annotated_video(params: AnnotatedVideoParams) -> Sink:
    from vedette_video.annotated_video import AnnotatedVideo

    return AnnotatedVideo(params)


def _annotated_images(params: AnnotatedImagesParams) -> Sink:
    from vedette_video.annotated_images import AnnotatedImages

    return AnnotatedImages(params)


VIDEO_FILE = SourceSpec(
    name="video", summary="Video files.", matches=matches_video, open=_video, params=VideoParams
)
IMAGES = SourceSpec(
    name="images",
    summary="A picture, a folder of pictures, or a pattern such as 'shots/*.jpg'.",
    matches=matches_images,
    open=_images,
    params=ImagesParams,
)
PLAYLIST = SourceSpec(
    name="playlist",
    summary="A list of videos and pictures, one after the other.",
    matches=matches_playlist,
    open=_playlist,
    params=PlaylistParams,
)
STILLS = DecoderSpec(
    name="stills", summary="JPEG, PNG, WebP, BMP, TIFF and netpbm.", fourccs=tuple(FOURCCS), build=_stills
)
ANNOTATED_VIDEO = SinkSpec(
    name="video",
    summary="A video with the findings drawn on every frame.",
    open=_annotated_video,
    params=AnnotatedVideoParams,
    needs_pixels=True,
)
ANNOTATED_IMAGES = SinkSpec(
    name="images",
    summary="Pictures with the findings drawn on them, in a folder.",
    open=_annotated_images,
    params=AnnotatedImagesParams,
    needs_pixels=True,
)


@hookimpl
def vedette_sources() -> list[SourceSpec]:
    """Videos, pictures, and lists of both."""
    return [VIDEO_FILE, IMAGES, PLAYLIST]


@hookimpl
def vedette_decoders() -> list[DecoderSpec]:
    """Still images."""
    return [STILLS]


@hookimpl
def vedette_sinks() -> list[SinkSpec]:
    """Annotated videos and pictures."""
    return [ANNOTATED_VIDEO, ANNOTATED_IMAGES]
