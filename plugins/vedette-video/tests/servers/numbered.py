"""Pictures that carry a number, which survives any lossy coding: 16 bits as black and white squares."""

import numpy as np

SIDE = 16
SIZE_WH = 8 * SIDE, 4 * SIDE


def draw(number, size_wh=SIZE_WH):
    """A gray picture ``(h, w) uint8``; the bits are in the upper half, highest first, and stay there in any size."""
    bits = [number >> shift & 1 for shift in range(15, -1, -1)]
    squares = np.array(bits, np.uint8).reshape(2, 8) * 200 + 28
    picture = np.full((size_wh[1], size_wh[0]), 128, np.uint8)
    picture[: 2 * SIDE, : 8 * SIDE] = np.kron(squares, np.ones((SIDE, SIDE), np.uint8))
    return picture


def read(gray):
    """The number of a picture; raises where a bit is neither black nor white."""
    squares = (
        gray[: 2 * SIDE, : 8 * SIDE]
        .astype(float)
        .reshape(2, SIDE, 8, SIDE)[:, 4:-4, :, 4:-4]
        .mean(axis=(1, 3))
    )
    if ((squares > 90) & (squares < 166)).any():
        raise ValueError(f"this picture carries no number: {squares.round()}")
    return int("".join("1" if level > 128 else "0" for level in squares.ravel()), 2)
