"""Pixels without loss: each plane as the differences between its lines (modulo the sample's range), through zlib.

The filter is PNG's "Up" (W3C PNG, 9.2). Level 1 of zlib is the fastest; what it gives away in size is little beside
what the filter saves.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vedette.errors import SourceError
from vedette.frame import Packed, PackedFormat, Pixels, Planar, PlanarFormat
from vedette.recording.format import PlainImage, Span

LEVEL = 1
_PACKED = ("bgr", "rgb", "gray8", "gray16")


def planes_of(image: Pixels) -> tuple[NDArray[Any], ...]:
    """The arrays of an image."""
    return (image.pixels,) if isinstance(image, Packed) else image.planes


def compress(image: Pixels) -> bytes:
    """The planes of ``image``; 16-bit samples are stored with their low byte first."""
    squeeze = zlib.compressobj(LEVEL)
    parts = [squeeze.compress(_differences(plane)) for plane in planes_of(image)]
    return b"".join([*parts, squeeze.flush()])


def describe(image: Pixels, at: Span) -> PlainImage:
    """What :func:`restore` needs to know besides the bytes."""
    shapes = tuple(plane.shape for plane in planes_of(image))
    if isinstance(image, Packed):
        return PlainImage(format=image.format, shapes=shapes, at=at)
    return PlainImage(format=image.format, shapes=shapes, at=at, matrix=image.matrix, range=image.range)


def restore(plain: PlainImage, data: bytes) -> Pixels:
    """Reverse of :func:`compress`.

    Raises
    ------
    SourceError
        The bytes and their description do not belong together.
    """
    dtype = np.dtype("<u2" if plain.format == "gray16" else "u1")
    try:
        samples = np.frombuffer(_decompress(data, _bytes(plain.shapes, dtype)), dtype)
        planes = _split(samples, plain.shapes)
    except (zlib.error, ValueError) as error:
        raise SourceError(f"stored pixels ({plain.format}) are damaged: {error}") from error
    if plain.format in _PACKED:
        return Packed(cast(PackedFormat, plain.format), planes[0])
    if plain.matrix is None or plain.range is None:
        raise SourceError(f"stored pixels ({plain.format}) lack their colour matrix or range")
    return Planar(cast(PlanarFormat, plain.format), tuple(planes), plain.matrix, plain.range)


def _differences(plane: NDArray[Any]) -> bytes:
    little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
    result = np.empty(plane.shape, little.dtype)
    result[0] = little[0]
    np.subtract(little[1:], little[:-1], out=result[1:])
    return result.tobytes()


def _bytes(shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes) * dtype.itemsize


def _decompress(data: bytes, size: int) -> bytes:
    """Never more than ``size``, whatever the bytes claim."""
    if size < 1:
        raise ValueError("no samples")
    squeeze = zlib.decompressobj()
    plain = squeeze.decompress(data, size)
    if len(plain) != size or squeeze.decompress(squeeze.unconsumed_tail, 1):
        raise ValueError(f"not {size} bytes of samples")
    return plain


def _split(samples: NDArray[Any], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
    planes, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        lines = samples[start : start + size].reshape(shape)
        plane = np.add.accumulate(lines, axis=0, dtype=samples.dtype)
        plane.flags.writeable = False
        planes.append(plane.astype(samples.dtype.newbyteorder("="), copy=False))
        start += size
    return planes
