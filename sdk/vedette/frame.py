"""Frame: one captured image with its identity and its clocks.

Coordinates, here and everywhere in Vedette, are continuous pixel coordinates of the *upright original*
frame: ``(0, 0)`` is the outer corner of the top-left pixel, ``(w, h)`` the outer corner of the bottom-right
one, and a pixel's centre lies at ``+0.5``. Scaling an image is then a pure multiplication of coordinates.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vedette.errors import SourceError

PackedFormat = Literal["bgr", "rgb", "gray8", "gray16"]
PlanarFormat = Literal["nv12", "i420", "yuyv"]
Kernel = Literal["nearest", "bilinear", "bilinear_antialias", "area"]
Matrix = Literal["bt601", "bt709", "bt2020"]
Range = Literal["limited", "full"]
Orientation = Literal[0, 90, 180, 270]
Rect = tuple[int, int, int, int]
"""``(x, y, w, h)`` in whole pixels of the upright frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """When a frame was captured.

    ``mono_ns`` and ``wall_ns`` are this machine's monotonic and wall clock at capture; ``media_ns`` is the time
    within the medium (presentation time of a file), ``None`` where there is none. ``uncertainty_ns`` bounds the
    error of the first two. ``origin`` says where the capture time comes from: the camera's own clock (``device``),
    presentation time stamps (``pts``), or the arrival at this process (``arrival``).
    """

    mono_ns: int
    wall_ns: int
    media_ns: int | None = None
    uncertainty_ns: int = 0
    origin: Literal["device", "pts", "arrival"] = "arrival"


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Interleaved pixels: ``(h, w, 3) uint8`` for ``bgr`` and ``rgb``, ``(h, w) uint8`` for ``gray8``,
    ``(h, w) uint16`` for ``gray16``. Values span the whole range of the dtype."""

    format: PackedFormat
    pixels: NDArray[np.uint8] | NDArray[np.uint16]

    def __post_init__(self) -> None:
        colour = self.format in ("bgr", "rgb")
        dtype = np.uint16 if self.format == "gray16" else np.uint8
        shape = self.pixels.shape
        if (
            self.pixels.dtype != dtype
            or len(shape) != (3 if colour else 2)
            or (colour and shape[2] != 3)
            or 0 in shape
        ):
            want = "(h, w, 3)" if colour else "(h, w)"
            raise SourceError(
                f"image {self.format!r} must be {want} {np.dtype(dtype).name}, not {shape} {self.pixels.dtype.name}"
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Planar:
    """Y'CbCr as a decoder gives it. The colour matrix and range are stated, never assumed.

    ``planes``: ``nv12`` = Y ``(h, w)``, CbCr ``(ceil(h/2), ceil(w/2), 2)``; ``i420`` = Y ``(h, w)``, Cb and Cr
    ``(ceil(h/2), ceil(w/2))``; ``yuyv`` = one ``(h, w, 2)`` plane of Y'Cb Y'Cr pairs, w even. All ``uint8``.
    """

    format: PlanarFormat
    planes: tuple[NDArray[np.uint8], ...]
    matrix: Matrix
    range: Range

    def __post_init__(self) -> None:
        h, w = self.planes[0].shape[:2]
        half = ((h + 1) // 2, (w + 1) // 2)
        want = {"nv12": ((h, w), (*half, 2)), "i420": ((h, w), half, half), "yuyv": ((h, w, 2),)}[self.format]
        got = tuple(p.shape for p in self.planes)
        if got != want or 0 in (h, w) or (self.format == "yuyv" and w % 2):
            raise SourceError(f"image {self.format!r}: planes must be {want}, not {got}")
        if any(p.dtype != np.uint8 for p in self.planes):
            raise SourceError(
                f"image {self.format!r}: planes must be uint8, not {[p.dtype.name for p in self.planes]}"
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.planes[0].shape[1], self.planes[0].shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A compressed still image, decoded only when somebody asks for pixels.

    ``fourcc`` names the coding (``JPEG``, ``PNG ``); ``size_wh`` is the size that the image will have, ``(0, 0)`` where
    that is not known before it is decoded (not in a frame); ``name`` says where it comes from (a file), for messages.
    """

    fourcc: str
    data: bytes
    size_wh: tuple[int, int]
    name: str = ""


_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG ", b"BM": "BMP ", b"GIF8": "GIF ", b"RIFF": "WEBP"}


def fourcc_of(data: bytes) -> str:
    """The coding of a still image by its first bytes: ``JPEG``, ``PNG ``, ``BMP ``, ``GIF ``, ``WEBP``, or ``""``."""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


Pixels = Packed | Planar
Image = Packed | Planar | Encoded
Decode = Callable[[Encoded], Pixels]
"""Turns a compressed image into pixels; raises on corrupt data."""

_ViewKey = tuple[PackedFormat, tuple[int, int], Kernel, Rect]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One captured image. Immutable; the pixels must never be written to.

    Attributes
    ----------
    stream
        Name of the stream the frame belongs to.
    epoch
        Rises on seek, restart, reconnect and playlist item; time stamps compare only within an epoch.
    ticket
        Dense number of admitted frames of the stream, from 0: the order in which results come out.
    seq
        Number of the captured frame within the epoch, dropped ones included.
    size_wh
        Size of the upright frame in pixels.
    clock
        See :class:`Clock`.
    image
        The pixels as stored, before ``orientation`` is applied.
    orientation
        Clockwise rotation in degrees that turns the stored image upright.
    decode
        Decoder for :class:`Encoded` images, bound by the pipeline.
    """

    stream: str
    epoch: int
    ticket: int
    seq: int
    size_wh: tuple[int, int]
    clock: Clock
    image: Image
    orientation: Orientation = 0
    decode: Decode | None = None
    _memo: dict[object, object] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def pixels(self) -> Pixels:
        """The stored image, decoded if it was compressed (once per frame).

        Raises
        ------
        SourceError
            No decoder is installed for the coding, or the data is corrupt.
        """
        image = self.image
        if not isinstance(image, Encoded):
            return image
        with self._lock:
            decoded = self._memo.get("pixels")
            if decoded is None:
                decoded = self._memo["pixels"] = self._decode(image)
        assert isinstance(decoded, Packed | Planar)
        return decoded

    def view(
        self,
        format: PackedFormat = "bgr",
        size_wh: tuple[int, int] | None = None,
        kernel: Kernel = "bilinear",
        rect: Rect | None = None,
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The upright pixels of ``rect`` (default: the whole frame) resized to ``size_wh`` (default: its own size).

        Computed once per argument set and shared by all callers, hence read-only. Planes of a Y'CbCr image are
        resized before the colour conversion. Returns ``(h, w, 3) uint8`` for ``bgr`` and ``rgb``, ``(h, w)`` for
        ``gray8`` (uint8) and ``gray16`` (uint16).

        Raises
        ------
        ValueError
            ``rect`` is empty or not inside the frame, or ``size_wh`` is not positive.
        SourceError
            See :meth:`pixels`.
        """
        from vedette.vision.views import render

        rect = (0, 0, *self.size_wh) if rect is None else rect
        size_wh = rect[2:] if size_wh is None else size_wh
        key: _ViewKey = (format, size_wh, kernel, rect)
        with self._lock:
            ready = self._memo.get(key)
        if ready is None:
            ready = render(self.pixels(), self.orientation, format, size_wh, kernel, rect)
            ready.flags.writeable = False
            with self._lock:
                ready = self._memo.setdefault(key, ready)
        assert isinstance(ready, np.ndarray)
        return ready

    def _decode(self, image: Encoded) -> Pixels:
        if self.decode is None:
            raise SourceError(
                f"stream {self.stream!r}: no decoder is installed for {image.fourcc.strip()!r} images",
                fix="install a plugin that decodes them, for example: pip install vedette-video",
            )
        return self.decode(image)
