"""Augmentations of time, against cases worked out by hand."""

import numpy as np
import pytest
import torch

from vedette.errors import VedetteError
from vedette_torch.augment import CropTime, DropFrames, EveryFrame, Flip, Noise, PadCrop, Reverse, Speed
from vedette_torch.example import Example


def track(steps=9, class_id=0, classes=3):
    return Example.of_class(torch.arange(2.0 * steps).reshape(steps, 2), class_id, classes)


def clip(steps=6):
    frames = torch.arange(steps, dtype=torch.float32)[:, None, None, None] * 10
    return Example.of_class(frames + torch.arange(12.0).reshape(1, 3, 4), 0, 2)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("factor", "want"), [(1.0, range(9)), (2.0, [0, 2, 4, 6, 8]), (0.5, np.arange(17) / 2)]
)
def test_speed_takes_values_between_two_steps(factor, want):
    fast = Speed(factor=(factor, factor))(track(), rng())
    torch.testing.assert_close(fast.input[:, 0], 2 * torch.tensor([float(at) for at in want]))


def test_speed_keeps_whole_frames():
    slow = Speed(factor=(0.7, 0.7))(clip(), rng())
    numbers = slow.input[:, 0, 0, 0] / 10
    assert set(numbers.tolist()) == set(range(6))
    assert len(numbers) == 8
    assert numbers.diff().min() >= 0


def test_speed_leaves_enough():
    assert len(Speed(factor=(50.0, 50.0), least=4)(track(), rng()).input) == 4


def test_a_cut_is_of_consecutive_steps():
    lengths, begins = set(), set()
    for seed in range(300):
        part = CropTime(least=3, most=5)(track(), rng(seed)).input[:, 0] / 2
        assert part.diff().tolist() == [1.0] * (len(part) - 1)
        lengths.add(len(part))
        begins.add(int(part[0]))
    assert lengths == {3, 4, 5}
    assert begins == set(range(7))


def test_what_is_shorter_stays():
    assert len(CropTime(least=20, most=30)(track(), rng()).input) == 9


def test_lost_frames_are_seen_again_or_left_out():
    held = DropFrames(probability=0.5)(track(), rng(1)).input[:, 0] / 2
    assert len(held) == 9
    assert held[0] == 0
    assert all(value == step or value == held[step - 1] for step, value in enumerate(held.tolist()))
    assert len(set(held.tolist())) < 9
    moved_up = DropFrames(probability=0.5, hold=False)(track(), rng(1)).input[:, 0] / 2
    assert moved_up.tolist() == sorted(set(held.tolist()))


def test_backwards_a_class_may_be_another_or_none():
    back = Reverse(becomes={0: 1, 1: 0, 2: None}, probability=1.0)
    turned = back(track(class_id=0), rng())
    assert turned.input[:, 0].tolist() == [2.0 * step for step in reversed(range(9))]
    assert turned.classes.tolist() == [0, 1, 0]
    assert back(track(class_id=2), rng()).input[0, 0] == 0
    assert Reverse(probability=1.0)(track(class_id=2), rng()).classes.tolist() == [0, 0, 1]
    with pytest.raises(VedetteError, match=r"class 7.*0\.\.2"):
        Reverse(becomes={7: 0})(track(), rng())


def test_every_frame_is_changed_by_the_same_draw():
    moved = EveryFrame(change=PadCrop(padding=2))(clip(), rng(3)).input
    flipped = EveryFrame(change=Flip(horizontal=1.0))(clip(), rng()).input
    torch.testing.assert_close(flipped, clip().input.flip(3))
    inside = moved[1] != 0  # what comes in is 0, and no pixel of this frame is
    assert 0 < inside.sum() < 12
    for number, frame in enumerate(moved[1:]):
        assert torch.equal(frame != 0, inside)
        assert set((frame - moved[1])[inside].tolist()) == {10.0 * number}
    assert EveryFrame(change=PadCrop(padding=2), probability=0.0)(clip(), rng(3)).input.equal(clip().input)


def test_noise_is_another_in_each_frame():
    example = Example.of_class(torch.full((4, 1, 40, 40), 128.0), 0, 2)
    noisy = Noise(most=8.0)(example, rng(5)).input
    spread = noisy.std(dim=(1, 2, 3))
    assert 0.1 < spread.min() < spread.max() < 9
    assert (noisy[1:] - noisy[:-1]).std() > 1.2 * spread.max()
