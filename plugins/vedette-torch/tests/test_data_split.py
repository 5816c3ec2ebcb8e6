"""Splits by ratio: every class in each, no group in two."""

from pathlib import Path

import numpy as np
import pytest

from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample
from vedette_torch.data.split import split_data


def pictures(counts):
    ids = np.repeat(np.arange(len(counts)), counts).tolist()
    samples = [ImageSample(path=Path(f"{n}.png"), class_id=id_) for n, id_ in enumerate(ids)]
    return Dataset(samples=samples, labels=tuple("abcdefgh"[: len(counts)]))


def boxes(sample_classes, groups):
    return Dataset(
        samples=[
            BoxesSample(
                path=Path(f"{n}.png"),
                xyxy=np.zeros((len(ids), 4), np.float32),
                class_id=np.array(ids, np.int32),
                group=group,
            )
            for n, (ids, group) in enumerate(zip(sample_classes, groups, strict=True))
        ],
        labels=("a", "b", "c"),
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_split_by_the_ratio(seed):
    parts = split_data(pictures([1000, 100, 10]), {"train": 0.7, "val": 0.2, "test": 0.1}, seed)
    counts = [
        np.bincount([s.class_id for s in part.samples], minlength=3).tolist() for part in parts.values()
    ]
    assert counts == [[700, 70, 7], [200, 20, 2], [100, 10, 1]]
    paths = [s.path for part in parts.values() for s in part.samples]
    assert len(set(paths)) == len(paths) == 1110


def test_the_seed_decides():
    data, ratios = pictures([50, 50]), {"train": 0.8, "val": 0.2}
    first, again, other = (split_data(data, ratios, seed)["val"].samples for seed in (0, 0, 1))
    assert [s.path for s in first] == [s.path for s in again] != [s.path for s in other]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits(seed):
    random = np.random.default_rng(seed)
    groups = [f"board {n}" for n in random.integers(0, 12, 300)]
    data = boxes([random.integers(0, 3, random.integers(0, 5)) for _ in groups], groups)
    train, val = split_data(data, {"train": 0.75, "val": 0.25}, seed).values()
    assert not {s.group for s in train.samples} & {s.group for s in val.samples}
    assert 50 <= len(val.samples) <= 100
    shares = [
        np.bincount(np.concatenate([s.class_id for s in part.samples]), minlength=3) for part in (train, val)
    ]
    assert (shares[1] / (shares[0] + shares[1])).min() > 0.15


def test_rare_classes_are_in_both():
    data = boxes([[0]] * 95 + [[0, 1]] * 5, [""] * 100)
    parts = split_data(data, {"train": 0.8, "val": 0.2})
    assert [sum(1 in s.class_id for s in part.samples) for part in parts.values()] == [4, 1]
    assert len(parts["val"].samples) == 20


def test_bad_requests():
    with pytest.raises(DataError, match="add up to 1"):
        split_data(pictures([5]), {"train": 0.8, "val": 0.3})
    one_board = boxes([[0], [1]], ["a", "a"])
    with pytest.raises(DataError, match="nothing is left for val: 1 groups"):
        split_data(one_board, {"train": 0.8, "val": 0.2})
