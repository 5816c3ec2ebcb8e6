"""How well scores and maps tell abnormal from normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def roc_auc(abnormal: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """The area under the ROC curve: the chance that an abnormal one scores higher than a normal one, ties counting
    half (Mann and Whitney 1947)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive, negative = int(abnormal.sum()), int((~abnormal).sum())
    return float((rank[abnormal].sum() - positive * (positive + 1) / 2) / (positive * negative))


def within_clips(scores: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Each clip's scores from 0, its lowest, to 1, its highest, as papers on this data report them."""
    return np.concatenate([(clip - clip.min()) / (clip.max() - clip.min()) for clip in scores])


def on_frames(
    heat: NDArray[np.float32], size_wh: tuple[int, int], block: int, cell: int
) -> NDArray[np.float32]:
    """Block means ``(n, h, w)`` at every ``cell``-th pixel of the frame ``(n, height / cell, width / cell)``: the block
    whose middle is nearest."""
    width, height = (side // cell for side in size_wh)
    rows = np.clip(np.arange(height) - (block - 1) // 2, 0, heat.shape[1] - 1)
    columns = np.clip(np.arange(width) - (block - 1) // 2, 0, heat.shape[2] - 1)
    return heat[:, rows][:, :, columns]


def hit_rate(heat: NDArray[np.float32], masks: NDArray[np.bool_], block: int, cell: int) -> tuple[int, int]:
    """In how many of the frames that have a mask the hottest block touches it, and how many there are."""
    hits = total = 0
    for one, mask in zip(heat, masks, strict=True):
        if mask.any():
            y, x = np.unravel_index(int(one.argmax()), one.shape)
            hits += bool(mask[y * cell : (y + block) * cell, x * cell : (x + block) * cell].any())
            total += 1
    return hits, total
