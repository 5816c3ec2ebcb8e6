"""The source ``vlp``: images of a camera, with its own time of capture. Nothing is decoded here."""

from __future__ import annotations

import logging
import time

import numpy as np
from numpy.typing import NDArray

from vedette.errors import SourceError
from vedette.frame import Clock, Encoded, Image, Packed, Planar
from vedette.secrets import redacted, resolve_secret
from vedette.specs import Capture, SourceInfo
from vedette_bridge.camera import CameraFrame
from vedette_bridge.errors import LinkError
from vedette_bridge.jpeg import jpeg_size
from vedette_bridge.pipeline.params import SourceParams
from vedette_bridge.pipeline.sharing import acquire
from vedette_bridge.protocols.vlp.parameters import to_wire
from vedette_bridge.shells.keys import parse_key
from vedette_bridge.vlp.rpc import Method

ENCODED = ("JPEG", "PNG ")
CHANNELS = {"GREY": 1, "RGB3": 3, "BGR3": 3}
DOWN_S = 3.0
"""A link that is down for longer is an outage, to be reported as one."""

logger = logging.getLogger("vedette.bridge")


def open_source(uri: str, params: SourceParams) -> VlpSource:
    """Connect to the camera.

    Raises
    ------
    SourceError
        It cannot be reached, refuses the key, or does not take the parameters.
    """
    key = None if params.key is None else parse_key(resolve_secret(params.key, "vlp: key"), params.key)
    try:
        return VlpSource(uri, params, key)
    except LinkError as error:
        raise _source_error(uri, error) from None  # the error may quote the address as it was written


class VlpSource:
    """Images as they come; ``seq`` is the camera's own number of the image, ``epoch`` rises with each session."""

    def __init__(self, uri: str, params: SourceParams, key: bytes | None) -> None:
        self.info = SourceInfo(live=True)
        self._shown = redacted(uri)
        self._params = params
        self._lease = acquire(uri, key)
        self._closed = False
        self._session: int | None = None
        self._epoch = -1
        self._last_ns = 0
        self._unusable = 0
        self._heard_s = time.monotonic()
        try:
            if params.set:
                self._lease.shared.camera.set(**params.set)
        except BaseException:
            self._lease.release()
            raise

    def read(self, timeout_s: float) -> Capture | None:
        """The next image, or ``None``.

        Raises
        ------
        SourceError
            The link has failed, or is down for some seconds.
        """
        if self._closed:
            raise SourceError(f"{self._shown} is closed")
        try:
            camera = self._lease.shared.camera
            frame = camera.frame(timeout_s)
            if frame is None:
                self._check_link(camera.is_up)
                return None
        except LinkError as error:
            raise _source_error(self._shown, error) from None
        self._heard_s = time.monotonic()
        self._notice_session(frame)
        image = self._image(frame)
        return None if image is None else self._capture(frame, image)

    def close(self) -> None:
        self._closed = True
        self._lease.release()

    def _check_link(self, up: bool) -> None:
        now_s = time.monotonic()
        if up:
            self._heard_s = now_s
        elif now_s - self._heard_s >= DOWN_S:
            raise SourceError(
                f"{self._shown}: the link is down", fix="is the camera running, and plugged in?"
            )

    def _notice_session(self, frame: CameraFrame) -> None:
        """A camera that has begun anew has forgotten its parameters."""
        if frame.session != self._session:
            if self._session is not None and self._params.set:
                self._lease.shared.camera.begin(Method.SET, to_wire(self._params.set))
            self._session = frame.session
            self._epoch += 1

    def _capture(self, frame: CameraFrame, image: Image) -> Capture:
        mono_ns = self._last_ns = max(self._last_ns, frame.t_capture_ns)
        self._lease.shared.took(frame.image_id, mono_ns, frame)
        clock = Clock(
            mono_ns=mono_ns,
            wall_ns=time.time_ns() - (time.monotonic_ns() - mono_ns),
            uncertainty_ns=frame.uncertainty_ns,
            origin=frame.origin,
        )
        return Capture(image=image, clock=clock, seq=frame.image_id, epoch=self._epoch)

    def _image(self, frame: CameraFrame) -> Image | None:
        """What the bytes are; ``None``, logged once, for what they cannot be."""
        try:
            return image_of(frame, self._params)
        except ValueError as error:
            self._unusable += 1
            if self._unusable == 1:
                logger.warning("%s: image %d is left out: %s", self._shown, frame.image_id, error)
            return None


def _source_error(address: str, error: LinkError) -> SourceError:
    return SourceError(f"{redacted(address)}: {redacted(error.message)}", fix=redacted(error.fix))


def image_of(frame: CameraFrame, params: SourceParams) -> Image:
    """The image as Vedette has it.

    Raises
    ------
    ValueError
        Its bytes do not fit its size.
    SourceError
        Its format is not known, or its colours are not stated.
    """
    fourcc, (w, h) = frame.fourcc, frame.size_wh
    if fourcc in ENCODED:
        size_wh = (w, h) if w and h else jpeg_size(frame.data)
        if 0 in size_wh:
            raise ValueError("its size is not known")
        return Encoded(fourcc, bytes(frame.data), size_wh)
    if fourcc in CHANNELS:
        rows = _rows(frame, w * CHANNELS[fourcc], h)
        if fourcc == "GREY":
            return Packed("gray8", rows)
        return Packed("rgb" if fourcc == "RGB3" else "bgr", rows.reshape(h, w, 3))
    if fourcc == "RGBP":
        return Packed("rgb", _from_rgb565(_rows(frame, 2 * w, h)))
    if fourcc in ("NV12", "YUYV"):
        if params.matrix is None or params.range is None:
            raise SourceError(
                f"{fourcc} images do not tell their colours",
                fix='params: matrix = "bt601", range = "limited"',
            )
        if fourcc == "YUYV":
            return Planar("yuyv", (_rows(frame, 2 * w, h).reshape(h, w, 2),), params.matrix, params.range)
        rows = _rows(frame, w, h + h // 2)
        return Planar("nv12", (rows[:h], rows[h:].reshape(h // 2, w // 2, 2)), params.matrix, params.range)
    raise SourceError(f"images of format {fourcc!r} are not known", fix='set = { format = "JPEG" }')


def _rows(frame: CameraFrame, width: int, height: int) -> NDArray[np.uint8]:
    """``(height, width)`` bytes without what lies between the rows."""
    stride = frame.stride or width
    if not (0 < width <= stride and height > 0) or len(frame.data) < stride * (height - 1) + width:
        raise ValueError(f"{len(frame.data)} bytes are not {height} rows of {width}")
    data = np.frombuffer(frame.data, np.uint8)
    if stride == width:
        return data[: height * width].reshape(height, width)
    padded = np.zeros(stride * height, np.uint8)
    padded[: min(len(data), padded.size)] = data[: padded.size]
    return padded.reshape(height, stride)[:, :width].copy()


def _from_rgb565(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red, green, blue of 5, 6, 5 bits to the whole range of 8."""
    words = np.ascontiguousarray(rows).view("<u2").astype(np.uint32)
    red, green, blue = words >> 11, words >> 5 & 63, words & 31
    scaled = (red * 255 + 15) // 31, (green * 255 + 31) // 63, (blue * 255 + 15) // 31
    return np.stack(scaled, axis=-1).astype(np.uint8)
