"""Images of an emulated camera on their way: one on the line, the freshest behind it, the others dropped."""

from __future__ import annotations

from zlib import crc32

from vedette_bridge.errors import QueueFullError
from vedette_bridge.protocols.vlp.board import Pictures
from vedette_bridge.vlp.frame import IMAGE
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.messages import ImageHeader
from vedette_bridge.vlp.sending import Outgoing


class Exposures:
    """Takes images and sends them.

    Parameters
    ----------
    deadline_ms
        An image that is older is given up; 0: never.
    """

    def __init__(self, pictures: Pictures, deadline_ms: int) -> None:
        self._pictures = pictures
        self._deadline_ms = deadline_ms
        self._obj = 0
        self._dropped = 0
        self._sending: tuple[Outgoing, ImageHeader] | None = None
        self._waiting: tuple[ImageHeader, bytes] | None = None

    @property
    def next_obj(self) -> int:
        """The number that the next image will have."""
        return (self._obj + 1) & 0xFFFFFFFF

    def add(self, t_us: int, exposure_us: int) -> ImageHeader:
        """Take one; whatever waited to be sent is stale now."""
        self._obj = self.next_obj
        data, (w, h) = self._pictures.picture(self._obj)
        header = ImageHeader(
            obj=self._obj,
            size=len(data),
            fourcc="JPEG",
            width=w,
            height=h,
            deadline_ms=self._deadline_ms,
            t_capture_us=t_us,
            exposure_us=exposure_us,
            crc32=crc32(data),
        )
        self._dropped += self._waiting is not None
        self._waiting = (header, data)
        return header

    def send(self, link: Link, now_us: int) -> int:
        """Send the freshest as soon as the one before is out or not worth the line any more; how many were dropped."""
        if self._sending is not None and not self._is_out(link, now_us):
            return 0
        self._sending = None
        if self._waiting is None:
            return 0
        (header, data), self._waiting = self._waiting, None
        try:
            self._sending = (link.send_split(IMAGE, header.encode(), memoryview(data)), header)
        except QueueFullError:
            self._dropped += 1
        dropped, self._dropped = self._dropped, 0
        return dropped

    def forget(self) -> None:
        """The session is over."""
        self._sending = self._waiting = None

    def forget_waiting(self) -> None:
        """No more are wanted."""
        self._waiting = None

    def _is_out(self, link: Link, now_us: int) -> bool:
        """Whether the image that is being sent is given to the line, or given up."""
        assert self._sending is not None
        message, header = self._sending
        if message.at >= message.size:
            return True
        if not header.deadline_ms or now_us - header.t_capture_us < header.deadline_ms * 1000:
            return False
        given_up = link.abort_image(message, header)
        self._dropped += given_up
        return given_up
