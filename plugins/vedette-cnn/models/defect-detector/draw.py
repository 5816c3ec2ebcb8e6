"""Draw the samples of this model, and the flawless picture that they are compared with: goldens need no data set.

    PYTHONPATH=examples python plugins/vedette-cnn/models/defect-detector/draw.py FOLDER

All are the same small piece of one design of the demo's boards, in the corner of an empty picture. The network answers
for 6,400 cells, and the same for all that see nothing: a golden of such a picture weighs a quarter of that of a board.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from belt.boards import SIDE, Board, draw_design, encode_gray
from numpy.typing import NDArray

SEED, SAMPLES = 505, 8
PIECE = 128
DEFECTS = 40
EMPTY = 255


def best_corner(boards: list[Board]) -> tuple[int, int]:
    """Left and top of the piece that shows most kinds in full, then leaves no board without one, then shows most."""
    places = [(x, y) for y in range(0, SIDE - PIECE, 8) for x in range(0, SIDE - PIECE, 8)]

    def worth(place: tuple[int, int]) -> tuple[int, int, int]:
        kinds = [_inside(board, place) for board in boards]
        return len({kind for found in kinds for kind in found}), min(map(len, kinds)), sum(map(len, kinds))

    return max(places, key=worth)


def draw(folder: Path) -> None:
    """Write ``sample-*.png`` into the folder, and ``reference.png`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    design = draw_design(SEED)
    boards = [design.board(SEED + number, DEFECTS) for number in range(SAMPLES)]
    corner = best_corner(boards)
    for number, board in enumerate(boards):
        (folder / f"sample-{number}.png").write_bytes(encode_gray(_piece(board.pixels, corner)))
    (folder.parent / "reference.png").write_bytes(encode_gray(_piece(design.reference, corner)))


def _inside(board: Board, place: tuple[int, int]) -> list[str]:
    boxes, corner = np.array([item.xyxy for item in board.defects]), np.array(place)
    inside = ((boxes[:, :2] >= corner) & (boxes[:, 2:] <= corner + PIECE)).all(axis=1)
    return [item.kind for item, full in zip(board.defects, inside, strict=True) if full]


def _piece(pixels: NDArray[np.uint8], corner: tuple[int, int]) -> NDArray[np.uint8]:
    x, y = corner
    picture = np.full((SIDE, SIDE), EMPTY, np.uint8)
    picture[:PIECE, :PIECE] = pixels[y : y + PIECE, x : x + PIECE]
    return picture


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
