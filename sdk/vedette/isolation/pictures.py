"""Pictures in shared memory: how their planes lie in a slot, written by the child and seen by the parent."""

from __future__ import annotations

import math
import mmap
import os
import weakref
from collections import deque
from fcntl import F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, fcntl
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vedette.errors import SourceError
from vedette.frame import Matrix, Packed, PackedFormat, Pixels, Planar, PlanarFormat, Range

ALIGN = 64
"""Planes begin at multiples of this."""

Format = PackedFormat | PlanarFormat


class Plane(NamedTuple):
    """One array of a picture: bytes ``begin`` to ``end`` of its slot."""

    begin: int
    end: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def of(self, memory: NDArray[np.uint8]) -> NDArray[Any]:
        """The view of it in ``memory``, which begins where the slot begins."""
        return memory[self.begin : self.end].view(self.dtype).reshape(self.shape)


@lru_cache(maxsize=16)
def planes_of(format: Format, size_wh: tuple[int, int]) -> tuple[Plane, ...]:
    """Where the planes of a picture lie in its slot."""
    w, h = size_wh
    half = ((h + 1) // 2, (w + 1) // 2)
    shapes: dict[Format, list[tuple[int, ...]]] = {
        "bgr": [(h, w, 3)],
        "rgb": [(h, w, 3)],
        "gray8": [(h, w)],
        "gray16": [(h, w)],
        "nv12": [(h, w), (*half, 2)],
        "i420": [(h, w), half, half],
        "yuyv": [(h, w, 2)],
    }
    dtype = np.dtype(np.uint16 if format == "gray16" else np.uint8)
    planes: list[Plane] = []
    end = 0
    for shape in shapes[format]:
        begin = -(-end // ALIGN) * ALIGN
        end = begin + math.prod(shape) * dtype.itemsize
        planes.append(Plane(begin, end, shape, dtype))
    return tuple(planes)


class Slots:
    """The parent's side: the memory, and which of its slots are free.

    A picture is a view of its slot, which is free again when the last view of it is gone. While fewer than ``reserve``
    slots are free, pictures are copied instead, so that frames that somebody keeps never stop the source. The child may
    change the pixels of a picture at any time, but neither its shape nor the size of the memory, which is sealed.
    """

    def __init__(self, count: int, slot_bytes: int, reserve: int) -> None:
        self.count = count
        self.slot_bytes = slot_bytes
        self._reserve = reserve
        self._free = deque(
            reversed(range(count))
        )  # appended to by finalizers, which must not wait for a lock
        self.fd = os.memfd_create("vedette-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, count * slot_bytes)
            fcntl(self.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
            self._memory = mmap.mmap(self.fd, count * slot_bytes, prot=mmap.PROT_READ)
        except BaseException:
            os.close(self.fd)
            raise

    def take(self) -> int | None:
        """A free slot for the child to write to."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: int) -> None:
        self._free.append(slot)

    def picture(
        self, slot: int, format: Format, size_wh: tuple[int, int], matrix: Matrix, range: Range
    ) -> Pixels:
        """What the child wrote into ``slot``, read-only. The slot is the picture's from now on.

        Raises
        ------
        SourceError
            It would reach over the end of the slot, or format and size do not go together.
        """
        layout = planes_of(format, size_wh)
        end = layout[-1].end
        if end > self.slot_bytes:
            self.give_back(slot)
            raise SourceError(
                f"a picture of {size_wh} ({format}) is announced, which does not fit into its memory"
            )
        memory: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, end, slot * self.slot_bytes)
        if len(self._free) < self._reserve:
            memory = memory.copy()
            memory.flags.writeable = False
            self.give_back(slot)
        else:
            weakref.finalize(memory, self._free.append, slot).atexit = False
        planes = tuple(plane.of(memory) for plane in layout)
        if format == "nv12" or format == "i420" or format == "yuyv":
            return Planar(format, planes, matrix, range)
        return Packed(format, planes[0])

    def close(self) -> None:
        """Pictures that are still in use keep the memory."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class SlotWriter:
    """The child's side."""

    def __init__(self, fd: int, count: int, slot_bytes: int) -> None:
        self._slot_bytes = slot_bytes
        self._memory = np.frombuffer(mmap.mmap(fd, count * slot_bytes), np.uint8)

    def write(self, slot: int, image: Pixels) -> None:
        """Copy the planes of ``image`` into ``slot``.

        Raises
        ------
        SourceError
            The picture is larger than a slot.
        """
        layout = planes_of(image.format, image.size_wh)
        if layout[-1].end > self._slot_bytes:
            raise SourceError(
                f"a picture of {image.size_wh} ({image.format}) takes {layout[-1].end / 2**20:.1f} MiB of shared "
                f"memory; {self._slot_bytes / 2**20:.0f} MiB are allowed",
                fix="raise it: isolate = { picture_mb = ... }",
            )
        memory = self._memory[slot * self._slot_bytes :]
        planes = (image.pixels,) if isinstance(image, Packed) else image.planes
        for plane, pixels in zip(layout, planes, strict=True):
            np.copyto(plane.of(memory), pixels)
