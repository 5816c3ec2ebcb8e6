"""Printed-circuit boards with known defects, drawn in the manner of DeepPCB: black copper on white, no grays.

Nothing of the data set is in them: copper, defects and boxes come from a seed. Widths, clearances, the size of defects
and how far boxes reach over them were chosen to be like those of the data set (Tang et al. 2019, arXiv:1902.06197).

    PYTHONPATH=examples python -m belt.boards FOLDER [COUNT]

writes them as DeepPCB has them: ``ID_test.png``, ``ID_temp.png`` of the same design without a flaw, and ``ID.txt`` with
a line ``x0 y0 x1 y1 type`` for each box, so that `vedette evaluate` and `vedette train` can read the folder.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belt.copper import Plane
from belt.defects import KINDS, Defect, spoil
from belt.layout import Layout, lay_out
from vedette.bundle.samples import encode_png

SIDE = 640
ROUGH = 0.25
"""Pixels by which an etched edge strays."""


@dataclass(frozen=True)
class Board:
    """``pixels (640, 640) uint8``, 0 copper and 255 board; ``flawless``, the same without its defects; and these."""

    pixels: NDArray[np.uint8]
    flawless: NDArray[np.uint8]
    defects: tuple[Defect, ...]


@dataclass(frozen=True)
class Design:
    """What all boards of a kind have in common. ``reference``: one of them without a flaw."""

    layout: Layout
    reference: NDArray[np.uint8]

    def board(self, seed: int, count: int = 7) -> Board:
        """A board of this design with up to ``count`` defects. Its edges are etched a little differently each time."""
        random = np.random.default_rng(seed)
        copper = _etch(random, self.layout)
        flawless = _pixels(copper)
        defects = spoil(random, self.layout, copper, count)
        return Board(_pixels(copper), flawless, tuple(defects))


def draw_design(seed: int) -> Design:
    """A design; the same for the same seed."""
    random = np.random.default_rng(seed)
    layout = lay_out(random, Plane(SIDE, SIDE))
    return Design(layout, _pixels(_etch(random, layout)))


def write_boards(folder: Path, count: int, seed: int = 0) -> None:
    """``count`` boards of as many designs, with their boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(seed, seed + count):
        design = draw_design(number)
        board = design.board(number)
        for kind, pixels in ("test", board.pixels), ("temp", design.reference):
            (folder / f"{number:08}_{kind}.png").write_bytes(encode_gray(pixels))
        lines = [
            " ".join([*(f"{value:.0f}" for value in defect.xyxy), str(1 + KINDS.index(defect.kind))])
            for defect in board.defects
        ]
        (folder / f"{number:08}.txt").write_text("".join(f"{line}\n" for line in lines))


def encode_gray(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of ``(h, w) uint8``."""
    return encode_png(np.repeat(pixels[..., None], 3, axis=2))


def _etch(random: np.random.Generator, layout: Layout) -> NDArray[np.bool_]:
    return layout.copper + random.normal(0, ROUGH, layout.copper.shape) < 0


def _pixels(copper: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(copper, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    write_boards(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8)
