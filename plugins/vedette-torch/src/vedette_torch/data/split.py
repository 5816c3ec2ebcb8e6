"""Split data by ratio so that every class is in every split in about that ratio, and no group is in two.

Source: iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011, "On the Stratification of Multi-Label Data"), on
groups of samples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import Dataset, SampleT


def split_data(
    dataset: Dataset[SampleT], ratios: Mapping[str, float], seed: int = 0
) -> dict[str, Dataset[SampleT]]:
    """Split a data set, for example by ``{"train": 0.8, "val": 0.2}``.

    The rarest class is dealt out first, each group of samples to the split that lacks most of it and has room for at
    least half of the group. Samples keep their order. The same data and seed give the same splits.

    Raises
    ------
    DataError
        The ratios do not add up to 1, or a split would stay empty (fewer groups than splits).
    """
    if not ratios or min(ratios.values()) <= 0 or abs(sum(ratios.values()) - 1) > 1e-6:
        raise DataError(f"the ratios {dict(ratios)} must be above 0 and add up to 1")
    units = _units(dataset.samples)
    counts = np.stack(
        [_counts([dataset.samples[row] for row in unit], len(dataset.labels)) for unit in units]
    )
    of_unit = _deal(counts, np.array(list(ratios.values())), np.random.default_rng(seed))
    of_sample = np.empty(len(dataset.samples), int)
    for unit, split in zip(units, of_unit, strict=True):
        of_sample[unit] = split
    parts = {
        name: [sample for sample, split in zip(dataset.samples, of_sample, strict=True) if split == index]
        for index, name in enumerate(ratios)
    }
    if empty := [name for name, part in parts.items() if not part]:
        raise DataError(
            f"nothing is left for {', '.join(empty)}: {len(units)} groups make {len(ratios)} splits",
            fix="split into fewer, or get data of more groups (boards, cameras, sources)",
        )
    return {
        name: Dataset(samples=tuple(part), labels=dataset.labels, problems=dataset.problems)
        for name, part in parts.items()
    }


def _units(samples: Sequence[SampleT]) -> list[list[int]]:
    """Rows that must stay together."""
    units: dict[object, list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        units[sample.group or row].append(row)
    return list(units.values())


def _counts(samples: Sequence[SampleT], classes: int) -> NDArray[np.float64]:
    """How many of each class a unit holds, and how many samples."""
    ids = np.concatenate([sample.class_ids() for sample in samples])
    return np.append(np.bincount(ids, minlength=classes), len(samples)).astype(float)


def _deal(
    counts: NDArray[np.float64], ratios: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """The split of each unit. ``counts (units, classes + 1)``; the last column, the samples, is dealt by last."""
    wanted = ratios[:, None] * counts.sum(axis=0)
    split = np.full(len(counts), -1)
    shuffled = random.permutation(len(counts))
    frequent_last = np.argsort(np.append(counts[:, :-1].sum(axis=0), np.inf), kind="stable")
    for column in frequent_last:
        mine = [unit for unit in shuffled if split[unit] < 0 and counts[unit, column]]
        for unit in sorted(
            mine, key=lambda unit: -counts[unit, column]
        ):  # the largest while there is room for it
            room = wanted[:, -1] >= counts[unit, -1] / 2
            split[unit] = np.lexsort((wanted[:, -1], wanted[:, column], room))[-1]
            wanted[split[unit]] -= counts[unit]
    return split
