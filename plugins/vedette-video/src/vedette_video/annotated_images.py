"""The sink ``images``: every frame with its findings drawn on it, as a picture file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.frame import Encoded
from vedette.packet import Packet
from vedette.sinks.output import OutputPath, make_parent, refuse_existing
from vedette_video.annotate import annotate
from vedette_video.params import AnnotatedImagesParams


class AnnotatedImages:
    """Writes ``STREAM-EPOCH-SEQ.jpg`` into a folder, followed by the name of the picture if the frame comes from one
    (``photos-0-000012-bus.jpg``). A file appears under its name only when it is complete."""

    def __init__(self, params: AnnotatedImagesParams) -> None:
        self._params = params
        self._folder = OutputPath(params.path)
        if not self._folder.per_stream:
            make_parent(self._folder.of("") / "picture")

    def write(self, packet: Packet) -> None:
        path = self._path(packet)
        make_parent(path)
        if self._params.mode == "new":
            refuse_existing(path, "mode to 'overwrite'")
        encode = encode_png if self._params.format == "png" else encode_jpeg
        data = encode(annotate(packet, self._params.hide), self._params.quality)
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise PipelineError(
                f"cannot write {path}: {error.strerror}", fix="check the disk's free space and permissions"
            ) from error

    def write_event(self, event: Event) -> None:
        """Events are not drawn."""

    def close(self) -> None:
        """Every picture is complete."""

    def abort(self) -> None:
        """Every picture is complete."""

    def _path(self, packet: Packet) -> Path:
        frame = packet.frame
        folder = self._folder.of(frame.stream)
        stream = OutputPath("{stream}").of(frame.stream)
        origin = Path(frame.image.name).stem if isinstance(frame.image, Encoded) else ""
        name = f"{stream}-{frame.epoch}-{frame.seq:06d}" + f"-{origin}" * bool(origin)
        return folder / f"{name}.{self._params.format}"


def encode_jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """``picture (h, w, 3) uint8``, B, G, R, as JPEG 4:2:0; ``quality`` 1..100."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
    frame = frame.reformat(
        format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG", src_color_range="JPEG", threads=1
    )
    step = round(31 - 29 * (quality - 1) / 99)  # FFmpeg's quantiser scale: 2 is best, 31 smallest
    return _encode(frame, "mjpeg", {"qmin": str(step), "qmax": str(step), "huffman": "optimal"})


def encode_png(picture: NDArray[np.uint8], quality: int) -> bytes:
    """``picture (h, w, 3) uint8``, B, G, R, as PNG, which has no ``quality``."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24").reformat(format="rgb24")
    return _encode(frame, "png", {})


def _encode(frame: VideoFrame, codec: str, options: dict[str, str]) -> bytes:
    context = CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = options
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
