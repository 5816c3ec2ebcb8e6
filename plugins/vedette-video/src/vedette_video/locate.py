"""Which paths the sources read, told by what the user wrote and what is there. Opens nothing."""

from __future__ import annotations

import glob
import re
import urllib.parse
from pathlib import Path

from vedette.recording.reading import is_recording

VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".3gp",
        ".avi",
        ".mkv",
        ".webm",
        ".ts",
        ".m2ts",
        ".mts",
        ".mpg",
        ".mpeg",
        ".flv",
        ".wmv",
    }
    | {
        ".asf",
        ".ogv",
        ".mxf",
        ".y4m",
        ".ivf",
        ".gif",
        ".mjpeg",
        ".mjpg",
        ".h264",
        ".264",
        ".h265",
        ".265",
        ".hevc",
    }
)
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm"}
)
PLAYLIST_SUFFIXES = frozenset({".m3u", ".playlist"})
PLAYLIST = "playlist:"

CERTAIN, SURE, LIKELY, MAYBE = 80, 50, 20, 1
"""How specific a match is."""


def local_path(uri: str) -> str | None:
    """The path that ``uri`` means, or ``None`` if it has another scheme than ``file:``.

    >>> local_path("file:///data/a%20b.mp4"), local_path("clips/a.mp4"), local_path("rtsp://cam")
    ('/data/a b.mp4', 'clips/a.mp4', None)
    """
    if not uri:
        return None
    if uri.startswith("file:"):
        parts = urllib.parse.urlsplit(uri)
        return urllib.parse.unquote(parts.path) if parts.netloc in ("", "localhost") else None
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", uri):
        return None
    return str(Path(uri).expanduser()) + "/" * uri.endswith("/")


def is_glob(path: str) -> bool:
    """Whether ``path`` is a pattern and not the name of something that exists."""
    return glob.has_magic(path) and not Path(path).exists()


def matches_video(uri: str) -> int:
    """A name that ends like a video; failing that, any file."""
    path = local_path(uri)
    if not path or is_glob(path):
        return 0
    if Path(path).suffix.lower() in VIDEO_SUFFIXES and not Path(path).is_dir():
        return SURE
    return MAYBE if Path(path).is_file() else 0


def matches_images(uri: str) -> int:
    """A folder, a pattern, or a name that ends like a picture."""
    path = local_path(uri)
    if not path:
        return 0
    if Path(path).is_dir():
        return SURE
    if Path(path).suffix.lower() in IMAGE_SUFFIXES:
        return SURE
    return LIKELY if is_glob(path) or path.endswith("/") else 0


def matches_recording(uri: str) -> int:
    """A folder that a stream was recorded to."""
    path = local_path(uri)
    return CERTAIN if path and is_recording(Path(path)) else 0


def matches_playlist(uri: str) -> int:
    """``playlist:``, or a name that ends like a list."""
    if uri == PLAYLIST:
        return SURE
    path = local_path(uri)
    if not path or is_glob(path) or Path(path).is_dir():
        return 0
    suffix = Path(path).suffix.lower()
    return SURE if suffix in PLAYLIST_SUFFIXES else LIKELY if suffix == ".txt" else 0


def matches_rtsp(uri: str) -> int:
    """A network camera."""
    return SURE if uri.lower().startswith(("rtsp://", "rtsps://")) else 0


def matches_http(uri: str) -> int:
    """Pictures or video over HTTP."""
    return SURE if uri.lower().startswith(("http://", "https://")) else 0


def matches_v4l2(uri: str) -> int:
    """A video device of Linux: ``/dev/video0``, or one of the lasting names below ``/dev/v4l``."""
    return SURE if re.fullmatch(r"/dev/(video\d+|v4l/by-(id|path)/[^/]+)", uri) else 0
