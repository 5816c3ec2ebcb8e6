"""Whole pictures from FFmpeg's packets of H.264 and HEVC.

Where a camera repeats its parameter sets between the slices of one picture, FFmpeg's parser takes what follows for
a new picture, and a decoder makes two of it, each with a part missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from av.packet import Packet

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket: TypeAlias = Packet[VideoStream]


def continues(data: bytes, codec: str) -> bool:
    """Whether the first slice in ``data`` (with start codes) is not the first of its picture.

    ``first_mb_in_slice`` (H.264, 7.3.3) is 0 for the first, coded as a single 1 bit; HEVC (7.3.6.1) begins with the bit
    ``first_slice_segment_in_pic_flag``.
    """
    header = 1 if codec == "h264" else 2
    at = data.find(b"\0\0\1")
    while at >= 0 and at + 3 + header < len(data):
        first = data[at + 3]
        kind = first & 31 if codec == "h264" else first >> 1 & 63
        if kind in (1, 2, 5) if codec == "h264" else kind < 32:
            return not data[at + 3 + header] & 0x80
        at = data.find(b"\0\0\1", at + 3)
    return False


class AccessUnits:
    """Joins packets that are parts of one picture.

    To know whether a picture goes on, the next packet must be there: it is waited for only at key pictures, where
    parameter sets are repeated, and after the first of them only if that one did go on.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._held: VideoPacket | None = None
        self._waits = True
        self._split = False

    def push(self, packet: VideoPacket) -> list[VideoPacket]:
        """What is complete now."""
        held, self._held = self._held, None
        if held is not None and continues(bytes(cast(Any, packet)), self._codec):
            self._split = True
            self._held = _joined(held, packet)
            return []
        if held is not None:
            self._waits = self._split
        ready = [held] if held is not None else []
        if self._waits and packet.is_keyframe:
            self._held = packet
            return ready
        return [*ready, packet]


def _joined(first: VideoPacket, second: VideoPacket) -> VideoPacket:
    data = bytes(cast(Any, first)) + bytes(cast(Any, second))
    joined = cast(
        "VideoPacket", Packet(len(data))
    )  # made of bytes it would lack the padding that decoders read
    joined.update(data)
    joined.pts = second.pts if first.pts is None else first.pts
    joined.dts = second.dts if first.dts is None else first.dts
    joined.time_base = first.time_base
    joined.is_keyframe = first.is_keyframe
    return joined
