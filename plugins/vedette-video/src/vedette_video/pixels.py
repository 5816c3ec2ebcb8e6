"""Decoded pictures as Vedette's images: views into FFmpeg's own buffers wherever the layout allows.

========================= ================= ================================================================
FFmpeg's pixel format      becomes           how
========================= ================= ================================================================
4:2:0 with 8 bits          ``i420``          view (an alpha plane is left out)
``nv12``, ``yuyv422``      ``nv12, yuyv``    view (``yuyv422`` of odd width: like other Y'CbCr)
other Y'CbCr               ``i420``          swscale: chroma and bits reduced, matrix and range kept
``gray``, ``gray16le``     ``gray8, gray16`` view where the range is full, else expanded
other gray, black/white    ``gray8, gray16`` swscale: above 8 bits ``gray16``
``bgr24``, ``rgb24``       ``bgr, rgb``      view
other RGB, palettes        ``bgr``           swscale: alpha left out, 8 bits
========================= ================= ================================================================

The arrays are read-only, since decoders use the buffers again as references, and keep the buffers alive.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from vedette.errors import SourceError
from vedette.frame import Matrix, Packed, PackedFormat, Pixels, Planar, Range
from vedette.vision.colour import luma_to_gray
from vedette_video.colour import matrix_of, range_of

_I420 = frozenset({"yuv420p", "yuvj420p", "yuva420p"})
_VIEWED_PACKED: dict[str, PackedFormat] = {"bgr24": "bgr", "rgb24": "rgb"}
_SWS_MATRIX: dict[Matrix, Colorspace] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
}
_SWS_RANGE: dict[Range, ColorRange] = {"limited": ColorRange.MPEG, "full": ColorRange.JPEG}


def to_pixels(frame: VideoFrame, matrix: Matrix | None = None, range: Range | None = None) -> Pixels:
    """The picture of a decoded frame; ``matrix`` and ``range`` override what it says of itself.

    Raises
    ------
    SourceError
        The colour matrix is not supported, or FFmpeg cannot convert the pixel format.
    """
    format = frame.format
    if format.name in _VIEWED_PACKED:
        return Packed(_VIEWED_PACKED[format.name], _pixels(frame.planes[0], channels=3))
    if format.name.startswith(("gray", "ya", "mono")):
        return _gray(frame, range_of(frame.color_range, format.name, range))
    if format.is_rgb or format.has_palette:
        return Packed("bgr", _pixels(_reformat(frame, "bgr24").planes[0], channels=3))
    return _ycbcr(
        frame,
        matrix_of(frame.colorspace, (frame.width, frame.height), matrix),
        range_of(frame.color_range, format.name, range),
    )


def _ycbcr(frame: VideoFrame, matrix: Matrix, range: Range) -> Planar:
    name = frame.format.name
    if name == "yuyv422" and frame.width % 2 == 0:
        return Planar("yuyv", (_pixels(frame.planes[0], channels=2),), matrix, range)
    if name == "nv12":
        luma, chroma = frame.planes
        return Planar("nv12", (_pixels(luma), _pixels(chroma, channels=2)), matrix, range)
    if name not in _I420:
        colours: dict[str, Any] = {}
        for side in ("src", "dst"):
            colours |= {f"{side}_colorspace": _SWS_MATRIX[matrix], f"{side}_color_range": _SWS_RANGE[range]}
        frame = _reformat(frame, "yuv420p", **colours)
    y, cb, cr = frame.planes[:3]
    return Planar("i420", (_pixels(y), _pixels(cb), _pixels(cr)), matrix, range)


def _gray(frame: VideoFrame, range: Range) -> Packed:
    depth = max(component.bits for component in frame.format.components)
    if depth <= 8:
        frame = frame if frame.format.name == "gray" else _reformat(frame, "gray")
        return Packed("gray8", luma_to_gray(_pixels(frame.planes[0]), range))
    frame = frame if frame.format.name == "gray16le" else _reformat(frame, "gray16le")
    levels = _pixels(frame.planes[0], dtype="<u2")
    if range == "limited":
        levels = np.clip((levels.astype(np.float32) / 256 - 16) * (65535 / 219) + 0.5, 0, 65535).astype(
            np.uint16
        )
    return Packed("gray16", levels)


def _reformat(frame: VideoFrame, format: str, **colours: Any) -> VideoFrame:
    try:
        return frame.reformat(format=format, threads=1, **colours)
    except FFmpegError as error:
        raise SourceError(f"FFmpeg cannot convert pixel format {frame.format.name!r}: {error}") from error


def _pixels(plane: VideoPlane, channels: int = 1, dtype: str = "u1") -> NDArray[Any]:
    """A plane without the padding of its lines, ``(h, w)`` or ``(h, w, channels)``: a read-only view."""
    lines = np.frombuffer(cast(Any, plane), dtype).reshape(plane.height, -1)
    lines.flags.writeable = False
    used = lines[:, : plane.width * channels]
    return used if channels == 1 else used.reshape(plane.height, plane.width, channels)
