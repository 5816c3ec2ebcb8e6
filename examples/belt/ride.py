"""Boards that ride on a belt: one after another stops under a camera, and rides on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belt.boards import SIDE, Board, Design, draw_design
from vedette.frame import Clock, Frame, Packed
from vedette.packet import Packet

GAP = 64
"""Pixels of belt between two boards."""
STEP = 64
"""Pixels that the belt moves from picture to picture."""
PERIOD = (SIDE + GAP) // STEP
"""Each so many pictures a board has come to a stop in full view, beginning with the first picture."""
MOVING_MS, STOPPED_MS = 100, 1500
"""How long a picture of the moving, and of the stopped belt, is shown."""
BELT = 255


@dataclass(frozen=True)
class Ride:
    """Boards of one design, in their order."""

    design: Design
    boards: tuple[Board, ...]

    @property
    def pictures(self) -> int:
        """How many are taken, until the last board has left."""
        return len(self.boards) * PERIOD

    @property
    def defects(self) -> int:
        """How many there are on all boards."""
        return sum(len(board.defects) for board in self.boards)

    def picture(self, number: int) -> NDArray[np.uint8]:
        """``(640, 640) uint8``: what the camera sees, the board that leaves and the one that comes."""
        first, steps = divmod(number, PERIOD)
        strip = np.full((SIDE, SIDE + GAP + SIDE), BELT, np.uint8)
        strip[:, :SIDE] = self.boards[first].pixels
        if first + 1 < len(self.boards):
            strip[:, SIDE + GAP :] = self.boards[first + 1].pixels
        return np.ascontiguousarray(strip[:, steps * STEP : steps * STEP + SIDE])

    def board_in(self, number: int) -> Board | None:
        """The board that stands in full view in a picture, if one does."""
        return None if number % PERIOD else self.boards[number // PERIOD]


def draw_ride(boards: int, seed: int, say: Callable[[str], None] = lambda text: None) -> Ride:
    """A ride of ``boards`` boards of one design; the same for the same seed."""
    design = draw_design(seed)
    drawn = []
    for number in range(boards):
        say(f"drawing board {number + 1} of {boards}")
        drawn.append(design.board(seed + number))
    return Ride(design, tuple(drawn))


def write_video(ride: Ride, path: Path) -> None:
    """The ride as a video, by the sink that also writes annotated ones: nothing is found yet, so nothing is drawn."""
    from vedette_video.annotated_video import AnnotatedVideo
    from vedette_video.params import AnnotatedVideoParams

    options = {"crf": "16", "preset": "veryfast"}
    sink = AnnotatedVideo(AnnotatedVideoParams(path=str(path), mode="overwrite", options=options))
    at_ms = 0
    for number in range(ride.pictures):
        frame = Frame(
            stream="belt",
            epoch=0,
            ticket=number,
            seq=number,
            size_wh=(SIDE, SIDE),
            clock=Clock(mono_ns=at_ms * 10**6, wall_ns=at_ms * 10**6, media_ns=at_ms * 10**6, origin="pts"),
            image=Packed("gray8", ride.picture(number)),
        )
        sink.write(Packet(frame))
        at_ms += MOVING_MS if ride.board_in(number) is None else STOPPED_MS
    sink.close()
