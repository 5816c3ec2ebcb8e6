"""Sending images without a copy: PROTOCOL.md, section 5.5."""

import struct
from binascii import crc32

from vlp_frame import GIVEN_UP

try:
    from micropython import const
except ImportError:  # CPython
    const = int

_CHANNEL = const(4)
_MORE = const(0x10)
_FIRST = const(0x08)
_HEADER = const(40)
_MAX_SIZE = const(67108864)


class Image:
    """What is being sent: a view of its bytes, how many have a SEQ, and how many frames are unacknowledged."""

    def __init__(self, view, header):
        self.view, self.header = view, header
        self.at = self.waiting = 0


class ImageSender:
    """One image at a time, cut into frames of the bulk stream when they can go."""

    def __init__(self, stats):
        self._stats = stats
        self.next_obj = 0
        self.restart()

    def restart(self):
        """A new session, or none: what was under way is lost."""
        self._image = None
        self._aborts = []

    def put(self, data, fourcc, width, height, t_capture_us, exposure_us, stride, deadline_ms):
        """The newest image; one that is under way is given up. Its object number."""
        view = memoryview(data)
        if not 0 < len(view) <= _MAX_SIZE:
            raise ValueError("an image has 1 byte to 64 MiB")
        self.abort()
        obj = self.next_obj
        self.next_obj = (obj + 1) & 0xFFFFFFFF
        shape = (fourcc, width, height, stride, deadline_ms, t_capture_us, exposure_us, crc32(view))
        header = struct.pack("<BBHII4sHHHHQII", 1, _HEADER, 0, obj, len(view), *shape)
        self._image = Image(view, header)
        return obj

    def abort(self):
        """Send no more of the image; false if it has a SEQ to its end, or there is none."""
        image = self._image
        if image is None or image.at >= len(image.view):
            return False
        self._image = None
        self._stats[GIVEN_UP] += 1
        if image.at:
            header = bytearray(image.header)
            header[2] = 1
            self._aborts.append(header)
        return True

    def busy(self):
        """Whether the bytes of an image are needed."""
        return self._image is not None

    def waits(self):
        """Whether there is something to cut."""
        image = self._image
        return bool(self._aborts) or (image is not None and image.at < len(image.view))

    def acknowledged(self):
        """Let go of an image that the box has."""
        image = self._image
        if image is not None and not image.waiting and image.at >= len(image.view):
            self._image = None

    def cut(self, stream, limit):
        """Put the next frame, or the word that an image is given up, into the stream; whether there was one."""
        if not self.waits() or not stream.room():
            return False
        if self._aborts:
            stream.put(_CHANNEL, _FIRST, self._aborts.pop(0), None, 0, 0)
            return True
        image = self._image
        head, flags = (None, 0) if image.at else (image.header, _FIRST)
        size = min(len(image.view) - image.at, limit - (_HEADER if head else 0))
        if image.at + size < len(image.view):
            flags |= _MORE
        slot = stream.put(_CHANNEL, flags, head, image.view, image.at, size)
        slot.image = image
        image.at += size
        image.waiting += 1
        return True
