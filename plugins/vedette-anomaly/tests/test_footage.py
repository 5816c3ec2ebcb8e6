"""Footage: what is read, what is held back, which windows are learnt from."""

import numpy as np
import pytest

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-anomaly[torch]'")
pytest.importorskip("torch", reason="needs torch: pip install 'vedette-anomaly[torch]'")

import drawn
import torch

from vedette.bundle.manifest import Temporal
from vedette.bundle.samples import encode_png
from vedette.errors import VedetteError
from vedette.pipeline.sampling import sample_runs
from vedette_anomaly.recipes import footage as footage_module
from vedette_anomaly.recipes.footage import Footage, hold_back, read_footage, windows
from vedette_anomaly.recipes.motion_crop import MotionCrop
from vedette_anomaly.recipes.next_frame import NextFrame, NextFrameSettings
from vedette_torch.example import Example
from vedette_torch.pictures import PictureLoader

TEMPORAL = Temporal(rate_hz=drawn.RATE)


@pytest.fixture
def loader():
    return PictureLoader(NextFrame().inputs(NextFrameSettings(size_wh=drawn.SIZE_WH)))


def piece(length, name="a.mp4"):
    """Frames of one value each: their number."""
    return Footage(name, 0, [np.full((1, 8, 8), at, np.uint8) for at in range(length)])


def test_videos_are_read_as_a_box_samples_them(tmp_path, loader):
    pictures = drawn.normal(20)
    drawn.write_video(tmp_path / "a.mp4", pictures)
    (whole,) = read_footage(tmp_path, loader, TEMPORAL)
    assert len(whole) == 20
    assert np.abs(whole.frames[7][0].astype(int) - pictures[7]).mean() < 3
    slow = Temporal(rate_hz=1)
    (some,) = read_footage(tmp_path, loader, slow)
    (seen,) = sample_runs([number * 10**9 // drawn.RATE for number in range(20)], slow)
    assert 4 <= len(seen) <= 5
    np.testing.assert_array_equal(some.frames, [whole.frames[number] for number in seen])
    (first,) = read_footage(tmp_path / "a.mp4", loader, TEMPORAL, most=4)
    assert len(first) == 4


def test_where_there_is_a_folder_train_only_that_is_learnt(tmp_path, loader):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        drawn.write_video(tmp_path / split / f"{split}.mp4", drawn.normal(6))
    assert [item.path.name for item in read_footage(tmp_path, loader, TEMPORAL)] == ["train.mp4"]


def test_the_pictures_of_a_folder_are_one_video(tmp_path, loader):
    for number, picture in enumerate(drawn.normal(5)):
        (tmp_path / f"{number}.png").write_bytes(encode_png(np.stack([picture] * 3, axis=-1)))
    (found,) = read_footage(tmp_path, loader, TEMPORAL)
    assert len(found) == 5
    np.testing.assert_array_equal(found.frames[3][0], drawn.normal(5)[3])


def test_nothing_to_learn_from_and_too_much_of_it_are_refused(tmp_path, loader, monkeypatch):
    with pytest.raises(VedetteError, match="neither videos nor pictures"):
        read_footage(tmp_path, loader, TEMPORAL)
    drawn.write_video(tmp_path / "a.mp4", drawn.normal(20))
    monkeypatch.setattr(footage_module, "MOST_BYTES", 10_000)
    with pytest.raises(VedetteError, match="more footage than fits"):
        read_footage(tmp_path, loader, TEMPORAL)


def test_whole_pieces_are_held_back_and_of_a_single_one_its_end():
    many = [piece(10, f"{number}.mp4") for number in range(16)]
    learnt, held = hold_back(many, 0.1875)
    assert [item.path for item in held] == ["2.mp4", "8.mp4", "13.mp4"]
    assert len(learnt) == 13
    ((first,), (end,)) = hold_back([piece(40)], 0.25)
    assert (len(first), len(end), int(end.frames[0][0, 0, 0])) == (30, 10, 30)
    assert hold_back(many, 0) == (many, [])


def test_windows_are_spread_and_prefer_motion():
    still = [np.full((1, 8, 8), 50, np.uint8)] * 40
    still[13] = np.full((1, 8, 8), 200, np.uint8)
    found = windows([Footage("a", 0, still)], 3, 6)
    assert len(found) == 6
    assert [sample.at // 7 for sample in found] == sorted(sample.at // 7 for sample in found)
    assert any(sample.at + 2 in (13, 14) for sample in found)
    assert found[0].pixels().shape == (3, 1, 8, 8)
    assert len(windows([piece(5)], 5, 100)) == 1
    assert windows([piece(4)], 5, 100) == []


def test_no_window_reaches_over_a_gap():
    found = windows([piece(6), piece(7)], 5, 100)
    assert [(len(sample.footage), sample.at) for sample in found] == [(6, 0), (6, 1), (7, 0), (7, 1), (7, 2)]


def test_facts_tell_windows_of_different_frames_apart():
    first, second = windows([piece(6)], 5, 100)
    assert first.facts() != second.facts()


def test_crops_are_taken_where_something_moves():
    clip = torch.zeros(3, 1, 64, 64)
    clip[2, :, 40:60, 40:60] = 100
    crop = MotionCrop(size=32, tries=16)
    rng = np.random.default_rng(0)
    found = [crop(Example.of_itself(clip), rng).input for _ in range(20)]
    assert all(item.shape == (3, 1, 32, 32) for item in found)
    assert np.mean([float(item[2].mean()) for item in found]) > 2 * float(clip[2].mean())
    small = crop(Example.of_itself(torch.zeros(3, 1, 16, 64)), rng).input
    assert small.shape == (3, 1, 16, 32)
