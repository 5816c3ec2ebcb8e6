"""Pictures of a dial with a needle, drawn from a seed: something to learn for the examples of autoencoders."""

from pathlib import Path

import numpy as np

from vedette.bundle.samples import encode_png

SIZE = 48


def draw_dials(count: int, seed: int) -> np.ndarray:
    """``(count, 48, 48) uint8``: a round dial, twelve marks, and a needle that points anywhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    dial = np.where(radius < 21, 215.0, 60.0)
    dial[(radius > 16) & (radius < 20) & (np.cos(12 * angle) > 0.9)] = 90
    pictures = np.repeat(dial[None], count, axis=0)
    for picture in pictures:
        turn = rng.uniform(0, 2 * np.pi)
        along, beside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        picture[(along > -4) & (along < 15) & (np.abs(beside) < 1.8)] = 20
        picture *= rng.uniform(0.8, 1.1)
    return pictures.clip(0, 255).astype(np.uint8)


def write_dials(folder: Path, count: int, seed: int = 0) -> Path:
    """The same as PNG files in ``folder``, which is made."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(draw_dials(count, seed)):
        (folder / f"{number:04}.png").write_bytes(encode_png(np.stack([picture] * 3, axis=-1)))
    return folder


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """How alike two pictures are, in dB: 10 log10 of 255 squared over the mean square difference."""
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))
