"""Normal footage as frames in memory, and the windows of it that a network learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.manifest import Temporal
from vedette.errors import VedetteError
from vedette_torch.data.footage import read_clip, sampled
from vedette_torch.data.layout import existing_folder, files_below, is_clip, is_picture, split_of
from vedette_torch.data.samples import Sample
from vedette_torch.pictures import PictureLoader

Picture = NDArray[np.uint8]
"""``(c, h, w) uint8``, as the network is shown it, before it is normalised."""

MOST_BYTES = 6 << 30
"""Footage is held in memory; more than this is refused."""
_SPLITS = ("train", "all")


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames that follow each other in time without a gap."""

    path: Path
    first: int
    """Number of its first frame among the samples of the file."""
    frames: Sequence[Picture]

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, start: int, stop: int) -> Footage:
        """Frames ``start`` to ``stop``, without copying."""
        return Footage(self.path, self.first + start, self.frames[start:stop])

    def motion(self, at: int) -> float:
        """How much frame ``at`` differs from the one before it: mean over every fourth pixel of each axis, 0..255."""
        now, before = (self.frames[i][:, ::4, ::4].astype(np.int16) for i in (at, at - 1))
        return float(np.abs(now - before).mean())


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowSample(Sample):
    """``length`` frames of ``footage`` from ``at``."""

    footage: Footage
    at: int
    length: int

    def facts(self) -> bytes:
        """Which frames of the file."""
        return f"{self.footage.first + self.at}+{self.length}".encode()

    def pixels(self) -> Picture:
        """``(t, c, h, w) uint8``."""
        return np.stack(self.footage.frames[self.at : self.at + self.length])


def read_footage(
    data: Path, loader: PictureLoader, temporal: Temporal, most: int | None = None
) -> list[Footage]:
    """All footage of a folder in the order of its paths: of videos the frames that a box samples; the pictures of a
    folder are one video, in the order of their names. Where there is a folder ``train``, only what lies in there. Of
    each video the first ``most`` frames.

    Raises
    ------
    VedetteError
        There is none, it cannot be decoded, or does not fit into memory (:data:`MOST_BYTES`).
    """
    files = [data] if data.is_file() else list(files_below(existing_folder(data)))
    files = [path for path in files if is_clip(path) or is_picture(path)]
    if any(split_of(path.relative_to(data).parts[:-1]) == "train" for path in files if path != data):
        files = [path for path in files if split_of(path.relative_to(data).parts[:-1]) == "train"]
    budget = _Budget(data)
    found = [
        footage for path in files if is_clip(path) for footage in _video(path, loader, temporal, most, budget)
    ]
    for folder in dict.fromkeys(path.parent for path in files if is_picture(path)):
        pictures = [path for path in files if is_picture(path) and path.parent == folder]
        frames = [budget.take(loader.load(path, loader.names[0])[0].numpy()) for path in pictures]
        found.append(Footage(folder, 0, frames))
    if not found:
        raise VedetteError(f"{data} holds neither videos nor pictures", fix="put normal footage there")
    return found


class _Budget:
    """Counts what is held in memory."""

    def __init__(self, data: Path) -> None:
        self._data, self._bytes = data, 0

    def take(self, picture: Picture) -> Picture:
        self._bytes += picture.nbytes
        if self._bytes > MOST_BYTES:
            raise VedetteError(
                f"{self._data}: more footage than fits into {MOST_BYTES >> 30} GiB of memory",
                fix="give less of it (--minutes), a smaller size_wh or a lower rate_hz",
            )
        return picture


def _video(
    path: Path, loader: PictureLoader, temporal: Temporal, most: int | None, budget: _Budget
) -> Iterator[Footage]:
    frames: list[Picture] = []
    first = 0
    for frame, anew in islice(sampled(read_clip(path), temporal), most):
        if anew and frames:
            yield Footage(path, first, frames)
            first, frames = first + len(frames), []
        frames.append(budget.take(loader.view(frame, loader.names[0])[0].numpy()))
    yield Footage(path, first, frames)


def hold_back(footage: Sequence[Footage], share: float) -> tuple[list[Footage], list[Footage]]:
    """Split footage into what is learnt from and what is held back: whole pieces, evenly spread, of three or more;
    of fewer the end of each. Frames next to each other are alike, so they must not be split at random."""
    if share == 0:
        return list(footage), []
    if len(footage) >= 3:
        count = max(1, round(share * len(footage)))
        held = {int((number + 0.5) * len(footage) / count) for number in range(count)}
        pick = [[item for at, item in enumerate(footage) if (at in held) == back] for back in (False, True)]
        return pick[0], pick[1]
    cuts = [round(len(item) * (1 - share)) for item in footage]
    pairs = list(zip(footage, cuts, strict=True))
    return [item.part(0, cut) for item, cut in pairs], [item.part(cut, len(item)) for item, cut in pairs]


def windows(footage: Sequence[Footage], length: int, most: int) -> list[WindowSample]:
    """At most ``most`` windows of ``length`` frames, spread over all of the footage; of those that are next to each
    other the one at whose end most moves."""
    places = [(item, at) for item in footage for at in range(len(item) - length + 1)]
    groups = np.array_split(np.arange(len(places)), min(most, len(places)) or 1)
    chosen = []
    for group in groups:
        near = [places[int(i)] for i in group]
        if len(near) > 1 and length > 1:
            near.sort(key=lambda place: -place[0].motion(place[1] + length - 1))
        chosen += near[:1]
    return [WindowSample(path=item.path, footage=item, at=at, length=length) for item, at in chosen]
