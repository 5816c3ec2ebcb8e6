"""Videos that are drawn: dots that walk along lines, and, where it is to be unusual, a square that rushes through."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE_WH = (96, 64)
RATE = 5
BEGINS, ENDS = 20, 32
"""Frames in which the square is seen."""


def normal(count: int, seed: int = 0) -> list[np.ndarray]:
    """``count`` pictures ``(64, 96) uint8``: three dots that walk back and forth, some noise."""
    rng = np.random.default_rng(seed)
    width, height = SIZE_WH
    y, x = np.mgrid[:height, :width]
    ground = 110 + 20 * np.sin(x / 9) + 10 * np.cos(y / 7)
    phases = rng.uniform(0, 200, 3)
    pictures = []
    for at in range(count):
        picture = ground + rng.normal(0, 1.5, ground.shape)
        for lane, phase in enumerate(phases):
            along = abs((at * 1.5 + phase) % (2 * width) - width)
            picture[(x - along) ** 2 + (y - 14 - 18 * lane) ** 2 < 12] = 220
        pictures.append(picture.clip(0, 255).astype(np.uint8))
    return pictures


def unusual(count: int = 60, seed: int = 9) -> list[np.ndarray]:
    """The same with a square of 22 pixels that crosses it from :data:`BEGINS` to :data:`ENDS`."""
    pictures = normal(count, seed)
    for at in range(BEGINS, ENDS):
        left = (at - BEGINS) * 8
        pictures[at][20:42, left : left + 22] = 30
    return pictures


def write_video(path: Path, pictures: list[np.ndarray], rate: int = RATE) -> Path:
    """As H.264 with little loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(rate), options={"crf": "12", "preset": "veryfast"}
        )
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    return path
