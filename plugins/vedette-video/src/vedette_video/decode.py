"""The decoder ``stills``: compressed still images to pixels, with FFmpeg."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from av.codec import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vedette.errors import SourceError
from vedette.frame import Encoded, Packed, Pixels
from vedette_video.pixels import to_pixels
from vedette_video.still import DAMAGED, FOURCCS, read_still
from vedette_video.units import packet_of


def decode_still(image: Encoded) -> Pixels:
    """Decode one image; safe to call from any thread.

    JPEG becomes ``i420`` (BT.601, full range) or ``gray8``, CMYK and RGB ones ``bgr``; other codings as
    :mod:`vedette_video.pixels` says. A picture that EXIF calls mirrored is mirrored back; turning it upright is left to
    :attr:`vedette.frame.Frame.orientation`.

    Raises
    ------
    SourceError
        The data is cut off or damaged, the coding unknown, or the picture not of the size that ``image`` states. The
        message names the image.
    """
    if image.fourcc == DAMAGED:
        raise SourceError(image.name)
    name = image.name or f"a {image.fourcc.strip()} image"
    header = read_still(image.data)
    if header is None:
        what = "is empty" if not image.data else "has no header that can be read"
        raise SourceError(f"{name} {what}", fix="copy or record it again")
    try:
        pixels = to_pixels(_frame(header.fourcc, image.data))
    except FFmpegError as error:
        raise SourceError(
            f"{name} cannot be decoded: it is cut off or damaged ({error.strerror})",
            fix="copy or record it again",
        ) from error
    except SourceError as error:
        raise SourceError(f"{name}: {error.message}", fix=error.fix) from error
    if pixels.size_wh != image.size_wh != (0, 0):
        raise SourceError(f"{name} has the size {pixels.size_wh}, not {image.size_wh} as announced")
    return _mirror(pixels) if header.mirrored else pixels


def _frame(fourcc: str, data: bytes) -> VideoFrame:
    """A context for each image: opening one takes microseconds, and threads cannot share it."""
    context = CodecContext.create(FOURCCS[fourcc], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    if fourcc != "TIFF":  # where it would also refuse every tag that FFmpeg does not know
        context.options = {
            "err_detect": "explode+crccheck"
        }  # else FFmpeg makes up what is missing, in silence
    frames = context.decode(packet_of(data)) or context.decode(None)
    if not frames:
        raise SourceError("it holds no picture")
    return frames[0]


def _mirror(pixels: Pixels) -> Pixels:
    """Left to right; no still image is ``yuyv``, whose columns come in pairs."""
    if isinstance(pixels, Packed):
        return replace(pixels, pixels=_mirrored(pixels.pixels))
    return replace(pixels, planes=tuple(_mirrored(plane) for plane in pixels.planes))


def _mirrored(plane: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(plane[:, ::-1])
