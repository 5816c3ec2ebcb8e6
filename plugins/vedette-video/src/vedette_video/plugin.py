"""What this distribution gives to Vedette. Light: FFmpeg is loaded when something is opened."""

from __future__ import annotations

from collections.abc import Callable

from vedette.frame import Encoded, Pixels
from vedette.hookspecs import hookimpl
from vedette.specs import DecoderSpec, Sink, SinkSpec, Source, SourceSpec
from vedette_video.locate import (
    matches_http,
    matches_images,
    matches_playlist,
    matches_recording,
    matches_rtsp,
    matches_v4l2,
    matches_video,
)
from vedette_video.params import (
    AnnotatedImagesParams,
    AnnotatedVideoParams,
    HttpParams,
    ImagesParams,
    PlaylistParams,
    RecordingParams,
    RtspParams,
    V4l2Params,
    VideoParams,
)
from vedette_video.still import DAMAGED, FOURCCS


def _video(uri: str, params: VideoParams) -> Source:
    from vedette_video.video_file import open_video

    return open_video(uri, params)


def _images(uri: str, params: ImagesParams) -> Source:
    from vedette_video.images import open_images

    return open_images(uri, params)


def _playlist(uri: str, params: PlaylistParams) -> Source:
    from vedette_video.playlist import open_playlist

    return open_playlist(uri, params)


def _recording(uri: str, params: RecordingParams) -> Source:
    from vedette_video.recording import open_recording

    return open_recording(uri, params)


def _rtsp(uri: str, params: RtspParams) -> Source:
    from vedette_video.rtsp import open_rtsp

    return open_rtsp(uri, params)


def _http(uri: str, params: HttpParams) -> Source:
    from vedette_video.http_source import open_http

    return open_http(uri, params)


def _v4l2(uri: str, params: V4l2Params) -> Source:
    from vedette_video.v4l2 import open_v4l2

    return open_v4l2(uri, params)


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
RECORDING = SourceSpec(
    name="recording",
    summary="A stream that was recorded, as it was then.",
    matches=matches_recording,
    open=_recording,
    params=RecordingParams,
)
RTSP = SourceSpec(
    name="rtsp", summary="Network cameras (RTSP, RTSPS).", matches=matches_rtsp, open=_rtsp, params=RtspParams
)
HTTP = SourceSpec(
    name="http",
    summary="MJPEG cameras, single pictures and video over HTTP.",
    matches=matches_http,
    open=_http,
    params=HttpParams,
)
V4L2 = SourceSpec(
    name="v4l2",
    summary="Cameras at this machine (Linux, /dev/video0).",
    matches=matches_v4l2,
    open=_v4l2,
    params=V4l2Params,
)
STILLS = DecoderSpec(
    name="stills",
    summary="JPEG, PNG, WebP, BMP, TIFF and netpbm.",
    fourccs=(*FOURCCS, DAMAGED),
    build=_stills,
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
    """Videos, pictures, lists of both, recordings, and cameras."""
    return [VIDEO_FILE, IMAGES, PLAYLIST, RECORDING, RTSP, HTTP, V4L2]


@hookimpl
def vedette_decoders() -> list[DecoderSpec]:
    """Still images."""
    return [STILLS]


@hookimpl
def vedette_sinks() -> list[SinkSpec]:
    """Annotated videos and pictures."""
    return [ANNOTATED_VIDEO, ANNOTATED_IMAGES]
