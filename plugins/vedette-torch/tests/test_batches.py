"""What is in a batch depends on the seed and its place alone: not on processes, workers, memory or where it began."""

from pathlib import Path

import pytest
import torch

from vedette_torch.augment import Colour, Erase, MixUp
from vedette_torch.example import Example, Targets
from vedette_torch.recipe import Settings
from vedette_torch.training.batches import LoadedExamples, TrainingBatches, plain_batches

N = 22
SETTINGS = Settings(batch_size=4, seed=5)


def load(index: int) -> Example:
    return Example.of_class(torch.full((3, 6, 6), 10 * index, dtype=torch.uint8), index % 3, 3)


def batches(epoch=0, first_step=0, cache_mb=1, workers=0, rank=0, world=1, seed=5):
    loaded = LoadedExamples(load, N, cache_mb)
    files = [Path(f"{index}.png") for index in range(N)]
    made = TrainingBatches(
        Settings(batch_size=4, seed=seed),
        loaded,
        files,
        None,
        (Colour(), Erase(size=2)),
        MixUp(),
        workers,
        rank,
        world,
    )
    return [(b.input, b.targets.classes) for b in made.of_epoch(epoch, first_step)]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def test_an_epoch_has_full_batches_alone():
    assert [len(pixels) for pixels, _ in batches()] == [4] * 5


@pytest.mark.parametrize("change", [{"cache_mb": 0}, {"workers": 2}], ids=["not-cached", "workers"])
def test_what_must_not_matter(change):
    assert same(batches(), batches(**change))


@pytest.mark.parametrize("change", [{"epoch": 1}, {"seed": 6}], ids=["epoch", "seed"])
def test_what_must_matter(change):
    assert not same(batches(), batches(**change))


def test_beginning_later_gives_the_rest():
    assert same(batches()[3:], batches(first_step=3))


def test_two_processes_share_a_batch():
    halves = [batches(rank=rank, world=2) for rank in (0, 1)]
    together = [
        tuple(torch.cat(parts) for parts in zip(left, right, strict=True))
        for left, right in zip(*halves, strict=True)
    ]
    assert same(batches(), together)


def test_the_files_of_a_batch():
    files = [Path(f"{index}.png") for index in range(N)]
    made = TrainingBatches(SETTINGS, LoadedExamples(load, N, 1), files, None, (), None, 0)
    for step, batch in enumerate(made.of_epoch(0, 0)):
        shown = [f"{int(pixels[0, 0, 0]) // 10}.png" for pixels in batch.input]
        assert made.files(0, step) == shown


def test_plain_batches_are_all_of_them_unchanged():
    found = list(plain_batches(LoadedExamples(load, N, 1), range(N), 5, 0))
    assert [len(batch.targets) for batch in found] == [5, 5, 5, 5, 2]
    assert torch.cat([batch.input[:, 0, 0, 0] for batch in found]).tolist() == [10 * i for i in range(N)]
    assert all(isinstance(batch.targets, Targets) for batch in found)


def test_memory_is_held_to():
    class Counted:
        calls = 0

        def __call__(self, index):
            self.calls += 1
            return Example.of_class(torch.zeros(1, 1024, 512, dtype=torch.uint8), 0, 2)

    counted = Counted()
    loaded = LoadedExamples(counted, 5, cache_mb=1)  # two of half a megabyte
    loaded.fill()
    assert counted.calls == 3
    for index in range(5):
        loaded[index]
    assert counted.calls == 3 + 3
