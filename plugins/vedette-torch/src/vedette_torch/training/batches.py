"""Batches of pictures. What is in a batch, and what was done to it, is a function of the seed and of its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from vedette.errors import VedetteError
from vedette_torch.augment.base import Augmentation, Mixing
from vedette_torch.example import Batch, Example
from vedette_torch.recipe import Settings
from vedette_torch.sampling import Indices, epoch_order

AUGMENTING = 1
"""Apart from what else is drawn by the same seed and epoch."""


@dataclass(frozen=True)
class Draw:
    """The sample ``index`` at ``place`` of the order of ``epoch``."""

    epoch: int
    place: int
    index: int


class LoadedExamples:
    """The ``n`` examples of a split as ``load`` gives them, by index; the first ones stay in memory, as far as
    ``cache_mb`` allows."""

    def __init__(self, load: Callable[[int], Example], n: int, cache_mb: int) -> None:
        self._load, self._n = load, n
        self._kept: dict[int, Example] = {}
        self._room = cache_mb * 2**20

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Example:
        example = self._kept.get(index)
        if example is None:
            example = self._load(index)
            if example.input.numel() <= self._room:
                self._room -= example.input.numel()
                self._kept[index] = example
        return example

    def fill(self) -> None:
        """Load what stays in memory now: processes that are forked later then share it."""
        for index in range(self._n):
            before = len(self._kept)
            self[index]
            if len(self._kept) == before:
                break


class TrainingExamples(TorchDataset[Example]):
    """Augmented examples, by :class:`Draw`."""

    def __init__(
        self,
        loaded: LoadedExamples,
        seed: int,
        augmentation: Sequence[Augmentation],
        mixing: Mixing | None,
    ) -> None:
        self._loaded, self._seed, self._augmentation, self._mixing = loaded, seed, augmentation, mixing

    def __getitem__(self, draw: Draw) -> Example:
        rng = np.random.default_rng([self._seed, draw.epoch, AUGMENTING, draw.place])
        example = self._augmented(draw.index, rng)
        if self._mixing is None:
            return example
        other = self._augmented(int(rng.integers(len(self._loaded))), rng)
        return self._mixing(example, other, rng)

    def _augmented(self, index: int, rng: Generator) -> Example:
        example = self._loaded[index]
        example = replace(example, input=example.input.float())
        for change in self._augmentation:
            example = change(example, rng)
        return example


class PlainExamples(TorchDataset[Example]):
    """Examples as they are on the edge, by index."""

    def __init__(self, loaded: LoadedExamples) -> None:
        self._loaded = loaded

    def __getitem__(self, index: int) -> Example:
        return self._loaded[index]


class TrainingBatches:
    """The batches of a training, for one of ``world`` processes: ``rank`` gets its even part of each.

    ``files`` are the pictures of ``loaded``; ``weights`` say how often each is drawn.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: LoadedExamples,
        files: Sequence[Path],
        weights: NDArray[np.float64] | None,
        augmentation: Sequence[Augmentation],
        mixing: Mixing | None,
        workers: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(loaded) < settings.batch_size:
            raise VedetteError(
                f"{len(loaded)} training pictures do not fill a batch of {settings.batch_size}",
                fix="make batch_size smaller",
            )
        self._examples = TrainingExamples(loaded, settings.seed, augmentation, mixing)
        self._settings, self._files, self._weights = settings, files, weights
        self._workers, self._rank, self._world = workers, rank, world
        self.steps = len(loaded) // settings.batch_size

    def of_epoch(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """The batches from ``first_step`` on."""
        share = self._settings.batch_size // self._world
        order = self._order(epoch)
        firsts = [
            step * self._settings.batch_size + self._rank * share for step in range(first_step, self.steps)
        ]
        draws = [
            [Draw(epoch, place, int(order[place])) for place in range(first, first + share)]
            for first in firsts
        ]
        return iter(_loader(self._examples, draws, self._workers))

    def files(self, epoch: int, step: int) -> list[str]:
        """The pictures of a batch, over all processes."""
        size = self._settings.batch_size
        return [str(self._files[i]) for i in self._order(epoch)[step * size : (step + 1) * size]]

    def _order(self, epoch: int) -> Indices:
        return epoch_order(self._settings.seed, epoch, len(self._files), self._weights)


def plain_batches(loaded: LoadedExamples, indices: Sequence[int], size: int, workers: int) -> Iterator[Batch]:
    """Some of the examples, as they are on the edge, the last batch perhaps smaller."""
    parts = [list(indices[at : at + size]) for at in range(0, len(indices), size)]
    return iter(_loader(PlainExamples(loaded), parts, workers))


def _loader(
    examples: TorchDataset[Example], batches: Sequence[Sequence[object]], workers: int
) -> DataLoader[Batch]:
    return DataLoader(
        examples,  # type: ignore[arg-type]  # a loader of examples, collated to batches
        batch_sampler=batches,  # type: ignore[arg-type]  # draws, where it expects numbers
        num_workers=workers,
        collate_fn=Batch.of,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_alone,
    )


def _alone(worker: int) -> None:
    torch.set_num_threads(1)
